# Writes random cases of the form of scoring.json, judged by the rules of reference mode with Python's own string methods.
# python3 make-scoring-fuzz.py SEED COUNT FILE   (scoring-fuzz.json: 5 250)
import random, json, re, sys
WORDS={w:str(i+1) for i,w in enumerate("one two three four five six seven eight nine ten eleven twelve".split())}
def lev(a,b):
    row=list(range(len(b)+1))
    for i,x in enumerate(a):
        nxt=[i+1]
        for j,y in enumerate(b): nxt.append(min(row[j]+(x!=y),row[j+1]+1,nxt[j]+1))
        row=nxt
    return row[-1]
def norm(s):
    s=s.strip().lower(); s=WORDS.get(s,s)
    if s.replace(",","").isdigit(): s=s.replace(",","")
    return s.strip()
def num(s):
    try: return complex(s)
    except Exception: return None
class Unsupported(Exception): pass
def one(pred,gt,src):
    p,g=norm(pred),norm(gt)
    if src in("default","gsm8k","dapo_math","deep_math") or src.startswith("aime"): return float(p==g)
    if src=="nq":
        if g in p: return 1.0
        r=lev(p,g)/max(len(p),len(g)); return 1-r if r<.5 else 0.0
    if src=="calculator":
        assert num(g) is not None
        return float(abs(num(p)-num(g))<1e-3) if num(p) is not None else 0.0
    if src=="complex":
        p="".join(c for c in p if c.isdigit() or c in "+-.")
        assert num(g) is not None
        return float(abs(num(p)-num(g))/abs(num(g))<0.05) if num(p) is not None else 0.0
    raise NotImplementedError(src)
def fmt(t):
    t=t.strip(); calls={"search":0,"code":0}; ans=None; tags=[]; pos=0
    while pos<len(t):
        m=re.search(r'\s*<(\w+)>(.*?)</\1>\s*',t[pos:],re.S)
        if not m: return None
        tag=m.group(1).lower()
        if tag not in("think","response","answer","search","code"): return None
        if tag=="answer": ans=m.group(2).strip()
        if tag in calls: calls[tag]+=1
        tags.append(tag); pos+=m.end()
    if tags[-1]!="answer": return None
    return {"tool_call":calls,"answer":ans}
def score(src,ans,gt):
    r=fmt(f"<think>t</think><answer>{ans}</answer>")
    if r is None: return {"score":-1.0,"acc":False,"pred":"[ERROR] Incorrect Format!","search":0,"code":0}
    p=r["answer"][-100:]
    s=max(one(p,g,src) for g in gt) if isinstance(gt,list) else one(p,gt,src)
    return {"score":s,"acc":s>0.9,"pred":p,**r["tool_call"]}
rng=random.Random(int(sys.argv[1])); N=int(sys.argv[2])
pieces=["<think>","</think>","<answer>","</answer>","<search>","</search>","<code>","</code>","<response>","</response>","<Think>","</Think>","<ANSWER>","</ANSWER>","<calc>","</calc>","< answer>","<answer >","</answer","<","</",">","x","1","a b"," ","\n","\x1c","\u0085","\ufeff","\u00a0","é","<thin\u212a>","</thin\u212a>","<é>","</é>","<²>","</²>","<_a1>","</_a1>","\U0001f600"]
def text():
    if rng.random()<.5:
        parts=[]
        for _ in range(rng.randint(0,5)):
            t=rng.choice(["think","search","code","response","Think","SEARCH","answer","foo"]if rng.random()<.9 else ["answer"])
            parts.append(f"<{t}>{''.join(rng.choice(pieces) for _ in range(rng.randint(0,2)))}</{t}>"+rng.choice(["","\n\n"," ","x"]))
        parts.append("<answer>"+rng.choice(["x","  y ","","<b>"])+"</answer>"+rng.choice(["","\n","\u0085","."]))
        return "".join(parts)
    return "".join(rng.choice(pieces) for _ in range(rng.randint(0,14)))
numpieces=["1","2","0","9","12","1.5",".",",","e","E","+","-","j","J","inf","nan","infinity","_","(",")"," ","\t","\x1c","\u2003","٣","²","۵","𝟙","𝟞","1_000","1e3","1e400","-","$"," km","%","１２"]
base=["1","3.1415","1000","-3","2+3j","12","8104.4","5.0009","0.001","1e-4","inf","125"]
words=["Paris","paris ","the city of paris","London","Barack Hussein Obama","barack obama","ΟΔΟΣ","οδος","İstanbul","straße","STRASSE","one","Twelve","ten","1,234","1234","日本","東京","\U0001f600a","","  ","²","1,²","x"*120,"a"*99+"é\U0001f600"]
def mut(s):
    s=list(s)
    for _ in range(rng.randint(0,3)):
        k=rng.random(); i=rng.randint(0,len(s))
        if k<.4 and s: s.pop(min(i,len(s)-1))
        elif k<.8: s.insert(i,rng.choice(numpieces+list("abcé ")))
        elif s: s[min(i,len(s)-1)]=s[min(i,len(s)-1)].upper()
    return "".join(s)
def case():
    src=rng.choice(["nq","calculator","complex","default","gsm8k","aime2024","deep_math","calculator","complex","nq","weird"] if rng.random()<.97 else ["aimee","dapo_math","Default"])
    if src in("calculator","complex"):
        gt=rng.choice(base) if rng.random()<.8 else mut(rng.choice(base))
        k=rng.random()
        ans=mut(gt) if k<.4 else "".join(rng.choice(numpieces) for _ in range(rng.randint(0,6))) if k<.8 else rng.choice(words)
    else:
        gt=rng.choice(words) if rng.random()<.8 else mut(rng.choice(words))
        ans=mut(gt) if rng.random()<.6 else mut(rng.choice(words))
    if rng.random()<.1: ans="x"*rng.randint(80,110)+ans
    if rng.random()<.15: gt=[gt,rng.choice(words if src not in("calculator","complex") else base)]
    return src,ans,gt
F=[];A=[]
for _ in range(N):
    t=text()
    try: F.append({"text":t,"expected":fmt(t),"error":None})
    except Exception as e: F.append({"text":t,"expected":None,"error":type(e).__name__})
    s,a,g=case()
    try: A.append({"dataSource":s,"answer":a,"groundTruth":g,"expected":score(s,a,g),"error":None})
    except OverflowError: pass
    except Exception as e: A.append({"dataSource":s,"answer":a,"groundTruth":g,"expected":None,"error":type(e).__name__})
json.dump({"format":F,"answers":A},open(sys.argv[3],"w"),ensure_ascii=True)
ok=[c for c in A if c["expected"]]
print(len(A),len(ok),sum(c["expected"]["score"]>0.9 for c in ok),sum(0<c["expected"]["score"]<1 for c in ok),sum(f["expected"] is not None for f in F))
