"""What the benchmarks compare with: PyTorch, transformers and TRL. Reads one JSON request per line and answers with one JSON
line; times are taken here, so that pipes and JSON cost nobody anything. Started by bench/python.ts, which sets the threads."""

import json
import os
import sys
import threading
import time
from queue import Queue

import torch
from transformers import AutoModelForCausalLM

replies = os.fdopen(os.dup(1), "w")  # libraries print to stdout
os.dup2(2, 1)
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
state = {}


def load(directory):
    """A model and AdamW over it, in one pass over the parameters (fused) as PyTorch does it fastest."""
    state.clear()
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    state["model"] = model
    state["optimizer"] = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.1, fused=True)
    return {"parameters": sum(p.numel() for p in model.parameters())}


def train(inputs, targets):
    """Forward, backward, clip, AdamW over rows of equal length."""
    model, optimizer = state["model"], state["optimizer"]
    inputs, targets = torch.tensor(inputs), torch.tensor(targets)
    start = time.perf_counter()
    model.train()
    logits = model(input_ids=inputs, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {"ms": since(start), "loss": loss.item()}


def generate(prompts, tokens):
    model = state["model"]
    ids = torch.tensor(prompts)
    start = time.perf_counter()
    model.eval()
    with torch.inference_mode():
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            min_new_tokens=tokens,
            max_new_tokens=tokens,
            pad_token_id=0,
        )
    assert out.shape[1] == ids.shape[1] + tokens
    return {"ms": since(start)}


def gemm(size, rounds):
    a, b = torch.randn(size, size), torch.randn(size, size)
    return {"ms": min(timed(lambda: a @ b) for _ in range(rounds))}


def memory():
    """Peak resident memory since the last call."""
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    return {"bytes": peak}


def trl_start(directory, prompts, group, tokens, fixed, steps):
    """A GRPOTrainer that waits before every step until it is asked for one."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    state.clear()
    gate, done = Queue(), Queue()

    class Gate(TrainerCallback):
        def on_step_begin(self, *_, **__):
            gate.get()
            self.start = time.perf_counter()

        def on_step_end(self, *_, **__):
            done.put(since(self.start))

    config = GRPOConfig(
        output_dir="/tmp/tapo-bench-trl",
        use_cpu=True,
        bf16=False,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        max_steps=steps,
        per_device_train_batch_size=len(prompts) * group,
        num_generations=group,
        max_completion_length=tokens,
        generation_kwargs={"top_k": 0, **({"min_new_tokens": tokens} if fixed else {})},
        beta=0.0,
        loss_type="dapo",
        gradient_checkpointing=False,
        optim="adamw_torch_fused",
        learning_rate=1e-5,
        dataloader_pin_memory=False,
    )
    reward = lambda completions, **_: [float(len(set(text)) % 7) for text in completions]
    trainer = GRPOTrainer(
        model=directory,
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        callbacks=[Gate()],
    )

    def run():
        try:
            trainer.train()
        except BaseException as error:
            done.put(error)

    threading.Thread(target=run, daemon=True).start()
    state.update(gate=gate, done=done)
    return {"version": __import__("trl").__version__}


def trl_step():
    state["gate"].put(None)
    outcome = state["done"].get()
    if isinstance(outcome, BaseException):
        raise outcome
    return {"ms": outcome}


def versions():
    import transformers

    return {"torch": torch.__version__, "transformers": transformers.__version__, "threads": torch.get_num_threads()}


def since(start):
    return (time.perf_counter() - start) * 1000


def timed(action):
    start = time.perf_counter()
    action()
    return since(start)


operations = dict(
    load=load, train=train, generate=generate, gemm=gemm, memory=memory, trlStart=trl_start, trlStep=trl_step, versions=versions
)
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = operations[request["op"]](**request.get("arguments", {}))
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    replies.write(json.dumps(answer) + "\n")
    replies.flush()
