import random,sys,time,itertools,numpy as np
from toktrial.tokenizer import reference_boundless as rb
from toktrial.tokenizer.boundless import BoundlessBPETokenizer
from toktrial.tokenizer.boundless_learning import *
from toktrial.tokenizer.word_counts import number_words
from toktrial.corpus.documents import Documents
from tokenizers import pre_tokenizers
import tokenizers
pt=pre_tokenizers.ByteLevel(add_prefix_space=False)
from toktrial.tokenizer.transformers_files import bytes_of
def words(d): return [bytes_of(w) for w,_ in pt.pre_tokenize_str(d)]
seed=int(sys.argv[1]); T=float(sys.argv[2]); rnd=random.Random(seed); t0=time.process_time(); n=0
P=["a","b","ab"," a"," b","ab ab","'s","aa"," ","\n","é","1","_a","aaa","bab"," ab","abab","  ","\u0301"]
def txt(m): return "".join(rnd.choice(P) for _ in range(rnd.randint(0,m)))
K={"merge":0,"deletion":1,"supermerge":2}
while time.process_time()-t0<T:
    docs=[txt(25)*rnd.choice([1,1,2]) for _ in range(rnd.randint(0,4))]
    vs=257+rnd.randint(0,30); mf=rnd.choice([1,2,2,3]); tau=rnd.choice([.01,.3,.5,.9,1.0,1.1])
    wd=[words(d) for d in docs]
    ref=rb.learn(wd,vs,mf,tau)
    t=BoundlessBPETokenizer.train(docs,vs,mf,tau)
    got=[tuple(e)[:4] for e in t.events]; exp=[(K[k],l,r,nn) for k,l,r,nn in ref.events]
    if got!=exp: print("DIFF",docs,vs,mf,tau); print(got);print(exp); break
    live=sorted(ref.live().values()); idof={x:i for i,x in enumerate(live)}
    exp=[[idof[x] for u in d for x in u] for d in ref.documents]
    g=[i.tolist() for i in t.encode_batch(docs)]
    if g!=exp: print("ENC",docs,vs,mf,tau,g,exp);break
    new=[txt(30) for _ in range(3)]
    st=rb.as_documents([words(d) for d in new])
    for ev in ref.events: rb.apply(st,ev,ref.entries)
    exp=[[idof[x] for u in d for x in u] for d in st]
    g=[i.tolist() for i in t.encode_batch(new)]
    if g!=exp: print("ENC2",docs,new,vs,mf,tau,g,exp);break
    n+=1
print("ok",n)
