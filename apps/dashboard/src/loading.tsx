/** Only seen when it takes longer than a moment. */
export function Loading() {
  return <p class="empty loading">Loading …</p>;
}
