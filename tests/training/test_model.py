"""The model is GPT-2: logits, gradients and initial weights against `transformers`, and what masking and caching promise."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from toktrial.presets import PRESETS
from toktrial.training.config import ModelConfig, parameter_count
from toktrial.training.model import GPT, _written_out_attention, _written_out_gelu

SHAPE = ModelConfig(n_layer=3, n_head=4, width=48, context=20)
VOCAB_SIZE = 131
LINEAR = ("c_attn.weight", "c_proj.weight", "c_fc.weight")  # transposed in transformers' Conv1D


def made(config: ModelConfig = SHAPE, vocab_size: int = VOCAB_SIZE, entries: int = VOCAB_SIZE, seed: int = 1) -> GPT:
    """A model in which nothing is 0 or 1 by its initialisation, so that no term goes unseen."""
    model = GPT(config, vocab_size, entries)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.empty(parameter.shape).normal_(0.0, 0.3, generator=generator))
    return model


def gpt2_of_transformers(config: ModelConfig = SHAPE, vocab_size: int = VOCAB_SIZE) -> GPT2LMHeadModel:
    theirs = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocab_size,
            n_positions=config.context,
            n_embd=config.width,
            n_layer=config.n_layer,
            n_head=config.n_head,
            activation_function="gelu_new",
            attn_pdrop=0.0,
            embd_pdrop=0.0,
            resid_pdrop=0.0,
        )
    )
    theirs.train(False)
    return theirs


def as_theirs(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our weights under the names, and in the layout, of transformers' GPT-2."""
    theirs = {f"transformer.{name}": value.T if name.endswith(LINEAR) else value for name, value in state.items()}
    return theirs | {"lm_head.weight": state["wte.weight"]}


def as_ours(state: dict[str, Tensor]) -> dict[str, Tensor]:
    ours = {name.removeprefix("transformer."): value for name, value in state.items() if name.startswith("transformer.")}
    return {name: value.T if name.endswith(LINEAR) else value for name, value in ours.items()}


def random_ids(*shape: int, below: int = VOCAB_SIZE, seed: int = 2) -> Tensor:
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(seed))


def test_logits_are_those_of_gpt2_in_transformers_with_our_weights() -> None:
    ours, theirs = made(), gpt2_of_transformers()
    theirs.load_state_dict(as_theirs(ours.state_dict()))
    ids = random_ids(5, SHAPE.context)
    with torch.no_grad():
        expected = theirs(ids).logits
        assert (ours(ids) - expected).abs().max() < 1e-4
    assert expected.std() > 0.5, "logits that are all alike would agree whatever the model does"


def test_logits_are_those_of_gpt2_in_transformers_with_its_weights() -> None:
    torch.manual_seed(3)
    ours, theirs = GPT(SHAPE, VOCAB_SIZE, VOCAB_SIZE), gpt2_of_transformers()
    ours.load_state_dict(as_ours(theirs.state_dict()))
    ids = random_ids(2, 7)
    with torch.no_grad():
        assert (ours(ids) - theirs(ids).logits).abs().max() < 1e-4


def test_gradients_are_those_of_gpt2_in_transformers() -> None:
    ours, theirs = made(), gpt2_of_transformers()
    theirs.load_state_dict(as_theirs(ours.state_dict()))
    ids = random_ids(4, SHAPE.context)
    ours.loss(ids[:, :-1], ids[:, 1:]).backward()  # type: ignore[no-untyped-call]
    theirs(ids, labels=ids).loss.backward()
    expected = as_ours({name: p.grad for name, p in theirs.named_parameters() if p.grad is not None})
    found = {name: p.grad for name, p in ours.named_parameters()}
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert gradient is not None and torch.allclose(gradient, expected[name], atol=1e-4), name


def test_parameter_count_is_that_of_transformers() -> None:
    counts = GPT(SHAPE, VOCAB_SIZE, VOCAB_SIZE).parameter_counts()
    assert counts.total == gpt2_of_transformers().num_parameters()
    assert counts.embeddings == (20 + 131) * 48
    assert counts.without_embeddings == counts.total - (20 + 131) * 48


@pytest.mark.parametrize(("preset", "millions"), [("tinystories", 40.2), ("laptop", 15.0)])
def test_presets_have_the_size_that_they_promise(preset: str, millions: float) -> None:
    protocol = PRESETS[preset]()
    with torch.device("meta"):
        model = GPT(protocol.model, protocol.vocab_size, protocol.vocab_size)
    assert round(model.parameter_counts().total / 1e6, 1) == millions
    assert f"{millions} million parameters" in (PRESETS[preset].__doc__ or "")


def test_head_and_embedding_are_one_matrix() -> None:
    model = made()
    assert not [name for name, _ in model.named_parameters() if "head" in name]
    ids = random_ids(1, 6, below=100)
    with torch.no_grad():
        before = model(ids)
        model.wte.weight[120] += 1.0  # an id that the input does not hold: only the head can see it
        after = model(ids)
    changed = (before != after).any(dim=1)[0]
    assert changed.nonzero().flatten().tolist() == [120]


def test_initial_weights_depend_on_the_seed_alone() -> None:
    first, second, other = (GPT(SHAPE, VOCAB_SIZE, VOCAB_SIZE) for _ in range(3))
    torch.manual_seed(1)
    first.initialise(7)
    torch.manual_seed(2)
    torch.rand(100)
    second.initialise(7)
    other.initialise(8)
    for (name, a), b, c in zip(first.named_parameters(), second.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
        assert a.ndim == 1 or not torch.equal(a, c), name


def test_initialising_leaves_the_global_generator_alone() -> None:
    model = GPT(SHAPE, VOCAB_SIZE, VOCAB_SIZE)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    model.initialise(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_initial_weights_have_the_deviations_of_gpt2() -> None:
    config = ModelConfig(n_layer=4, n_head=4, width=128, context=128)
    model = GPT(config, 1000, 1000)
    model.initialise(1)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif ".ln_" in f".{name}":
            assert (parameter == 1).all(), name
        else:
            expected = 0.02 / math.sqrt(2 * 4) if name.endswith("c_proj.weight") else 0.02
            error_of_deviation = expected / math.sqrt(2 * parameter.numel())
            assert parameter.std().item() == pytest.approx(expected, abs=5 * error_of_deviation), name
            assert parameter.mean().item() == pytest.approx(0, abs=5 * expected / math.sqrt(parameter.numel())), name


def test_rows_without_an_entry_get_no_probability_and_no_gradient() -> None:
    entries = 100
    model = made(entries=entries)
    ids = random_ids(3, SHAPE.context, below=entries)
    logits = model(ids)
    assert (logits[..., entries:] == -math.inf).all()
    assert logits[..., :entries].isfinite().all()
    assert (logits.softmax(-1)[..., entries:] == 0).all()
    model.loss(ids[:, :-1], ids[:, 1:]).backward()  # type: ignore[no-untyped-call]
    gradient = model.wte.weight.grad
    assert gradient is not None
    assert (gradient[entries:] == 0).all()
    assert gradient[:entries].any(dim=1).all()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_rows_without_an_entry_change_nothing_for_the_others() -> None:
    wide, narrow = made(entries=100), GPT(SHAPE, 100, 100)
    narrow.load_state_dict(wide.state_dict() | {"wte.weight": wide.wte.weight[:100]})
    ids = random_ids(2, 9, below=100)
    with torch.no_grad():
        assert torch.allclose(wide(ids)[..., :100], narrow(ids), atol=1e-5)
        assert wide.loss(ids, ids).item() == pytest.approx(narrow.loss(ids, ids).item(), abs=1e-5)


@pytest.mark.parametrize("counts", [(20,), (1,) * 20, (9, 1, 1, 9), (2, 3, 15)])
def test_with_a_cache_logits_are_those_of_the_whole_forward(counts: tuple[int, ...]) -> None:
    model = made()
    ids = random_ids(2, SHAPE.context)
    cache = model.new_cache(2)
    with torch.no_grad():
        expected = model(ids)
        start = 0
        for count in counts:
            logits = model.next_logits(ids[:, start : start + count], [count, count], cache)
            start += count
            assert torch.allclose(logits, expected[:, start - 1], atol=1e-4)
    assert cache.lengths == [SHAPE.context] * 2


def test_rows_of_a_cache_may_differ_in_length() -> None:
    """Fed in three uneven parts, padded on the right with what must not be looked at."""
    model = made()
    ids = random_ids(3, SHAPE.context)
    cache = model.new_cache(3)
    fed = [0, 0, 0]
    with torch.no_grad():
        expected = model(ids)
        for counts in ([5, 1, 3], [1, 7, 2], [4, 1, 6]):
            part = random_ids(3, max(counts), seed=sum(fed))
            for row, count in enumerate(counts):
                part[row, :count] = ids[row, fed[row] : fed[row] + count]
                fed[row] += count
            logits = model.next_logits(part, counts, cache)
            assert cache.lengths == fed
            assert torch.allclose(logits, torch.stack([expected[row, fed[row] - 1] for row in range(3)]), atol=1e-4)


def test_rows_of_a_cache_are_selected_and_replaced() -> None:
    model = made()
    ids = random_ids(3, 9)
    cache, other = model.new_cache(3), model.new_cache(1, slots=6)
    with torch.no_grad():
        expected = model(ids)
        model.next_logits(ids[:, :4], [4, 2, 3], cache)
        swapped = cache.select([2, 0, 0])
        logits = model.next_logits(torch.stack([ids[2, 3:4], ids[0, 4:5], ids[0, 4:5]]), [1, 1, 1], swapped)
        assert torch.allclose(logits, torch.stack([expected[2, 3], expected[0, 4], expected[0, 4]]), atol=1e-4)
        assert cache.lengths == [4, 2, 3]
        model.next_logits(ids[1:2, :6], [6], other)
        cache.replace([1], other)
        assert cache.lengths == [4, 6, 3]
        logits = model.next_logits(torch.stack([ids[0, 4:5], ids[1, 6:7], ids[2, 3:4]]), [1, 1, 1], cache)
        assert torch.allclose(logits, torch.stack([expected[0, 4], expected[1, 6], expected[2, 3]]), atol=1e-4)


@pytest.mark.parametrize("place", [1, 10, 19])
def test_a_later_id_leaves_earlier_logits_alone(place: int) -> None:
    model = made()
    ids = random_ids(1, SHAPE.context)
    changed = ids.clone()
    changed[0, place] = (ids[0, place] + 1) % VOCAB_SIZE
    with torch.no_grad():
        before, after = model(ids), model(changed)
    assert torch.allclose(before[:, :place], after[:, :place], atol=1e-6)
    assert not torch.allclose(before[:, place:], after[:, place:], atol=1e-2)


def test_flops_of_a_token_by_hand() -> None:
    # Matrices of a layer: queries, keys, values and output 4 * 48 * 48, feed-forward 8 * 48 * 48; biases and norms 13 * 48.
    layer = 12 * 48 * 48 + 13 * 48
    parameters = 131 * 48 + 3 * layer + 2 * 48  # tied head, layers, last norm; no positions
    model = GPT(SHAPE, VOCAB_SIZE, 100)
    assert model.flops_per_token() == 6 * parameters + 12 * 3 * 48 * 20
    assert parameter_count(SHAPE, VOCAB_SIZE) == model.parameter_counts().total


def test_loss_is_the_mean_cross_entropy_in_float32() -> None:
    model = made()
    ids = random_ids(3, 11)
    inputs, targets = ids[:, :-1], ids[:, 1:]
    with torch.no_grad():
        logits = model(inputs)
        likelihoods = logits.log_softmax(-1).gather(2, targets[..., None])
        loss = model.loss(inputs, targets)
        with torch.autocast("cpu", torch.bfloat16):
            assert model(inputs).dtype == torch.bfloat16
            loss_of_bfloat16 = model.loss(inputs, targets)
    assert loss.item() == pytest.approx(-likelihoods.mean().item(), rel=1e-6)
    assert loss.item() == pytest.approx(F.cross_entropy(logits.reshape(-1, VOCAB_SIZE), targets.reshape(-1)).item())
    assert loss_of_bfloat16.dtype == torch.float32


def test_a_full_cache_refuses_more() -> None:
    model = made()
    cache = model.new_cache(1, slots=4)
    model.next_logits(random_ids(1, 3), [3], cache)
    with pytest.raises(AssertionError, match="5 positions do not fit into a cache of 4"):
        model.next_logits(random_ids(1, 2), [2], cache)


def test_the_gelu_that_is_written_out_for_the_compiler_is_that_of_torch() -> None:
    x = torch.cat([torch.linspace(-12, 12, 10_001), torch.tensor([-1e4, 1e4])])
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    values, expected = _written_out_gelu(ours), F.gelu(theirs, approximate="tanh")
    assert torch.allclose(values, expected, rtol=1e-6, atol=1e-6)
    values.sum().backward()  # type: ignore[no-untyped-call]
    expected.sum().backward()  # type: ignore[no-untyped-call]
    assert ours.grad is not None and theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)
    assert _written_out_gelu(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("context", [7, 128, 300])
def test_the_attention_that_is_written_out_for_the_compiler_is_causal_attention(
    context: int, precision: torch.dtype, tolerance: float
) -> None:
    generator = torch.Generator().manual_seed(context)
    inputs = [torch.randn(2, 3, context, 16, generator=generator).to(precision).requires_grad_() for _ in range(3)]
    exact = [each.detach().double().requires_grad_() for each in inputs]
    future = torch.full((context, context), -math.inf).triu(1)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        found = _written_out_attention(inputs[0], inputs[1], inputs[2], future)
    expected = F.scaled_dot_product_attention(exact[0], exact[1], exact[2], is_causal=True)
    assert found.dtype == precision
    upstream = torch.randn(expected.shape, generator=generator, dtype=torch.float64).to(precision)
    found.backward(upstream)  # type: ignore[no-untyped-call]
    expected.backward(upstream.double())  # type: ignore[no-untyped-call]
    pairs = [(found, expected)] + [(ours.grad, theirs.grad) for ours, theirs in zip(inputs, exact, strict=True)]
    for ours, theirs in pairs:
        assert ours is not None and theirs is not None
        assert (ours.double() - theirs).norm() < tolerance * theirs.norm()
