/** Texts a model may write to break out of a page or a terminal. */
export const hostileTexts: Record<string, string> = {
  script: '<script>globalThis.broken = true</script><img src=x onerror="globalThis.broken = true">',
  'end of a text area': '</textarea></pre></title></style><h1>Owned</h1>',
  'end of the data block': '</script><script>globalThis.broken = true</script><!--',
  'terminal escapes': '\u001b[2J\u001b]0;title\u0007\u009b31mred\r\b\u0000',
  'bidi overrides': 'right \u202etfel\u202c and \u2066isolated\u2069',
  'zero width': 'a\u200bb\u2060c\ufeffd\u00ade',
  'lone surrogates': 'high \ud800 low \udfff end',
  'line separators': 'one\u2028two\u2029three',
  template: '${globalThis.broken = true} {{constructor}} `',
};

/** one line of a megabyte */
export const longLine = 'x'.repeat(1_000_000);
