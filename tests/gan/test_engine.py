"""The engine: what a step does, that chance is the step's own, and that runs can be stopped, killed and shared."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from gantutor.errors import InputError
from gantutor.gan import dcgan, engine, modern
from gantutor.gan.engine import Diverged, Draw, Settings, Training
from gantutor.gan.losses import non_saturating
from gantutor.gan.monitor import Monitor
from gantutor.gan.penalties import r1
from gantutor.sources import Pictures
from gantutor.tensors import read_tensors, write_tensors

EXACT = Settings(batch=8, precision="float32")
RICH = replace(EXACT, r1=1.0, r1_every=2, ema=50, augment=True, betas=(0.0, 0.99), loss="hinge")


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("GANTUTOR_DEVICE", "cpu")


@pytest.fixture(scope="module")
def pictures():
    levels = torch.randint(0, 256, (20, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Pictures(levels)


def small(pictures, settings=EXACT, networks=dcgan, **options):
    torch.manual_seed(0)
    options = options or ({"norm": torch.nn.Identity} if networks is dcgan else {"deviation": False})
    return Training(networks.Generator(16, 6, 4), networks.Discriminator(16, 4, **options), pictures, settings)


def steps(training, count):
    for _ in range(count):
        state = training.advance()
    return state


def assert_same(training, other, **near):
    mine, its = training.state_dict(), other.state_dict()
    assert mine.keys() == its.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], its[name], **(near or {"atol": 0, "rtol": 0}), msg=name)


def test_states_count_and_show_what_was_seen(pictures):
    training = small(pictures)
    states = [state for state, _ in zip(training, range(3), strict=False)]
    assert [state.step for state in states] == [1, 2, 3]
    state = states[-1]
    assert state.real.shape == state.fake.shape == (8, 3, 16, 16)
    assert state.real_logits.shape == state.fake_logits.shape == (8, 1)
    assert not any(tensor.requires_grad for tensor in vars(state).values() if isinstance(tensor, torch.Tensor))
    monitor = Monitor(non_saturating, every=1)
    assert monitor.update(state.numbers()) == []
    assert monitor.signals["separation"] >= 0


@pytest.mark.parametrize("settings", [EXACT, RICH], ids=["plain", "rich"])
def test_gradients_are_those_of_the_losses_written_out(pictures, settings):
    """From the same draw, by autograd on one network at a time."""
    training = small(pictures, settings)
    G, D, draw = training.generator, training.discriminator, training.draw()

    def changed(images, chance):
        return engine.augment(images, chance) if settings.augment else images

    fake, seen = G(draw.noise), changed(pictures.batch(draw.numbers, draw.flips), draw.real)
    loss = training.loss.discriminator(D(seen), D(changed(fake.detach(), draw.fake)))
    penalty = settings.r1_every * r1(settings.r1)(D, seen, None, None) if settings.r1 else 0
    expected = torch.autograd.grad(loss + penalty, list(D.parameters()))
    shown, found = training.discriminator_gradients(draw, training.parts())
    torch.testing.assert_close(shown["loss"], loss.detach())
    torch.testing.assert_close(found, expected)

    loss = training.loss.generator(D(changed(fake, draw.again)))
    expected = torch.autograd.grad(loss, list(G.parameters()))
    _, found_loss, found = training.generator_gradients(draw, training.parts(), shown["graph"])
    torch.testing.assert_close(found_loss, loss.detach())
    torch.testing.assert_close(found, expected)


def test_a_step_is_one_of_adams_for_each_network(pictures):
    training, by_hand = small(pictures), small(pictures)
    for which in (1, 0):
        network, other = ((t.generator, t.discriminator)[which] for t in (training, by_hand))
        adam = torch.optim.Adam(other.parameters(), EXACT.rates[which], EXACT.betas)
        for seed in range(3):
            source = torch.Generator().manual_seed(seed)
            gradients = [torch.randn(p.shape, generator=source) for p in network.parameters()]
            training.scaler.scale(torch.zeros(()))  # as every loss is before its gradients
            norm = training.descend(which, gradients)
            training.scaler.update()
            for parameter, gradient in zip(other.parameters(), gradients, strict=True):
                parameter.grad = gradient
            adam.step()
        torch.testing.assert_close(norm, torch.cat([g.flatten() for g in gradients]).norm())
        for one, two in zip(network.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(one, two)


def test_penalty_is_taken_now_and_then(pictures):
    """Every second step here; the loss that is shown is without it."""
    with_penalty, without = small(pictures, replace(RICH, r1=100.0)), small(pictures, replace(RICH, r1=0.0))
    for penalised in (True, False, True):
        draw = with_penalty.draw()
        found = [t.discriminator_gradients(draw, t.parts())[1] for t in (with_penalty, without)]
        same = all(torch.allclose(a, b) for a, b in zip(*found, strict=True))
        assert same != penalised
        with_penalty.step += 1
        without.step += 1


def test_draw_depends_on_seed_and_step_alone_and_epochs_have_every_picture_once():
    draws = [Draw(EXACT, step, 20, 6) for step in range(5)]
    numbers = torch.cat([draw.numbers for draw in draws])
    assert sorted(numbers[:20].tolist()) == sorted(numbers[20:40].tolist()) == list(range(20))
    assert numbers[:20].tolist() != numbers[20:40].tolist()
    again = Draw(EXACT, 3, 20, 6)
    assert torch.equal(again.noise, draws[3].noise) and torch.equal(again.numbers, draws[3].numbers)
    assert not torch.equal(draws[2].noise, draws[3].noise)
    assert not torch.equal(Draw(replace(EXACT, seed=1), 3, 20, 6).noise, again.noise)
    assert 0 < torch.cat([draw.flips for draw in draws]).float().mean() < 1


@pytest.mark.parametrize("settings", [EXACT, RICH], ids=["plain", "rich"])
def test_accumulated_parts_are_one_batch(pictures, settings):
    """Where no picture depends on the others."""
    whole, parts = (small(pictures, replace(settings, accumulate=count), modern) for count in (1, 4))
    gradients = []
    for training in (whole, parts):
        draw = training.draw()
        shown, of_discriminator = training.discriminator_gradients(draw, training.parts())
        gradients.append([*of_discriminator, *training.generator_gradients(draw, training.parts(), shown["graph"])[2]])
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)


def test_a_batch_that_has_no_equal_parts(pictures):
    with pytest.raises(InputError, match="a batch of 8 has no 3 equal parts"):
        small(pictures, replace(EXACT, accumulate=3)).advance()


@pytest.mark.parametrize("settings", [EXACT, RICH], ids=["plain", "rich"])
def test_stopped_at_any_step_a_run_ends_bit_identical(pictures, settings, tmp_path):
    """With batch normalisation and the batch's deviation, whose buffers count too."""
    networks, options = (modern, {"deviation": True}) if settings is RICH else (dcgan, {"norm": torch.nn.BatchNorm2d})
    unbroken = small(pictures, settings, networks, **options)
    for _ in unbroken.run(7):
        pass
    for stop in range(1, 7):
        checkpoint = tmp_path / f"{stop}.safetensors"
        for state in small(pictures, settings, networks, **options).run(7, checkpoint, every=100):
            if state.step == stop:
                break
        resumed = small(pictures, settings, networks, **options)
        states = list(resumed.run(7, checkpoint))
        assert len(states) == 7 - stop
        assert_same(resumed, unbroken)


def test_checkpoints_are_written_as_asked_and_at_the_end(pictures, tmp_path, monkeypatch):
    saved = []
    training, checkpoint = small(pictures), tmp_path / "run.safetensors"
    save = training.save
    monkeypatch.setattr(training, "save", lambda path: (saved.append(training.step), save(path)))
    list(training.run(7, checkpoint, every=3))
    assert saved == [3, 6, 7]
    assert list(small(pictures).run(7, checkpoint)) == []  # nothing is left to do


def test_a_checkpoint_holds_no_pickle_and_names_its_run(pictures, tmp_path):
    path = tmp_path / "run.safetensors"
    training = small(pictures, RICH)
    steps(training, 2)
    training.save(path)
    state, metadata = read_tensors(path)
    assert int(state["step"]) == 2
    assert any(name.startswith("average.") for name in state)
    assert '"batch": 8' in metadata["about"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (replace(EXACT, batch=4), "was made with batch 8, not 4"),
        (replace(EXACT, seed=1), "was made with seed 0, not 1"),
        (replace(EXACT, loss="hinge"), "was made with loss non_saturating, not hinge"),
    ],
)
def test_checkpoint_of_another_run_is_refused(pictures, tmp_path, settings, words):
    path = tmp_path / "run.safetensors"
    small(pictures).save(path)
    with pytest.raises(InputError, match=words):
        small(pictures, settings).load(path)


def test_checkpoints_of_other_networks_data_and_kinds(pictures, tmp_path):
    path = tmp_path / "run.safetensors"
    small(pictures).save(path)
    with pytest.raises(InputError, match="was made with pictures 20, not 10"):
        small(Pictures(pictures.levels[:10])).load(path)
    with pytest.raises(InputError, match="of other networks"):
        small(pictures, networks=modern).load(path)
    write_tensors({"step": torch.tensor(1)}, path, {"format": "something else"})
    with pytest.raises(InputError, match="is no checkpoint of this version"):
        small(pictures).load(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(InputError, match="is damaged"):
        small(pictures).load(path)


def test_interrupt_waits_for_the_end_of_the_step_and_saves(pictures, tmp_path, monkeypatch):
    training, checkpoint = small(pictures), tmp_path / "run.safetensors"
    descend, before = training.descend, signal.getsignal(signal.SIGINT)

    def interrupted(which, gradients):
        if training.step == 2 and which == 1:
            signal.raise_signal(signal.SIGINT)  # Ctrl-C in the middle of the third step
        return descend(which, gradients)

    monkeypatch.setattr(training, "descend", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(training.run(10, checkpoint))
    assert training.step == 3
    whole = small(pictures)
    steps(whole, 3)
    resumed = small(pictures)
    resumed.load(checkpoint)
    assert_same(resumed, whole)
    assert signal.getsignal(signal.SIGINT) is before


def poisoned(pictures, when, **options):
    """A training whose real pictures are NaN at some steps."""
    training = small(pictures, **options)
    batch = training.pictures.batch
    training.pictures.batch = lambda *given: batch(*given) * (torch.nan if training.step in when else 1)
    return training


def test_a_step_without_numbers_is_left_out_and_counted(pictures):
    training = poisoned(pictures, {1})
    steps(training, 1)
    before = [parameter.clone() for parameter in training.discriminator.parameters()]
    steps(training, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, training.discriminator.parameters(), strict=True))
    assert float(training.left_out) == 1
    state = steps(training, 1)
    assert state.discriminator_loss.isfinite()
    assert all(parameter.isfinite().all() for parameter in training.discriminator.parameters())


def test_several_such_steps_end_the_run_with_the_last_good_checkpoint(pictures, tmp_path):
    checkpoint = tmp_path / "run.safetensors"
    with pytest.raises(Diverged, match=r"steps up to step 10 had gradients that are no numbers: lower"):
        list(poisoned(pictures, range(4, 100)).run(100, checkpoint, every=4))
    assert all(tensor.isfinite().all() for tensor in read_tensors(checkpoint)[0].values())


def test_average_follows_the_generator(pictures):
    training = small(pictures, replace(EXACT, ema=1, rates=(0.1, 0.1)))
    start = [parameter.clone() for parameter in training.average.parameters()]
    steps(training, 30)
    now = list(training.generator.parameters())
    away = sum((a - b).norm() for a, b in zip(training.average.parameters(), now, strict=True))
    before = sum((a - b).norm() for a, b in zip(start, now, strict=True))
    assert 0 < away < 0.1 * before
    slow = small(pictures, replace(EXACT, ema=10**6))
    steps(slow, 30)
    assert not torch.equal(slow.sample(2), small(pictures).sample(2))


def test_samples_are_pictures_and_leave_the_training_alone(pictures):
    training, other = (small(pictures, networks=dcgan, norm=torch.nn.BatchNorm2d) for _ in range(2))
    steps(training, 2)
    steps(other, 2)
    samples = training.sample(5, seed=3, batch=2)
    assert samples.shape == (5, 3, 16, 16)
    assert samples.min() >= 0 and samples.max() <= 1
    assert torch.equal(samples, training.sample(5, seed=3, batch=5)) or torch.allclose(
        samples, training.sample(5, seed=3)
    )
    assert training.generator.training
    steps(training, 1)
    steps(other, 1)
    assert_same(training, other)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": 0}, "batch 0 is too small"),
        ({"loss": "l2"}, "no loss is called 'l2'"),
        ({"precision": "int8"}, "no precision is called 'int8'"),
        ({"rates": (0, 1)}, "learning rates"),
        ({"r1": -1.0}, "r1=-1.0"),
        ({"r1": float("nan")}, "r1=nan"),
        ({"r1_every": 0}, "r1_every=0"),
        ({"ema": -1}, "ema=-1"),
    ],
)
def test_settings_that_cannot_be(options, words):
    with pytest.raises(InputError, match=words):
        Settings(**options)


def test_precisions_that_this_device_lacks(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(engine, "fast_bfloat16", lambda device: False)
    assert engine.precision("auto", cpu) is torch.float32
    assert engine.precision("auto", torch.device("cuda")) is torch.float16
    with pytest.raises(InputError, match="bfloat16 is slow on this cpu"):
        engine.precision("bfloat16", cpu)
    with pytest.raises(InputError, match="float16 is for GPUs"):
        engine.precision("float16", cpu)
    monkeypatch.setattr(engine, "fast_bfloat16", lambda device: True)
    assert engine.precision("auto", cpu) is torch.bfloat16


def short_of_memory(training, monkeypatch, most):
    """A GPU that holds the gradients of so many pictures."""
    gradients = training.gradients

    def limited(loss, network):
        if training.settings.batch // training.settings.accumulate > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return gradients(loss, network)

    monkeypatch.setattr(training, "gradients", limited)


def test_lack_of_memory_is_one_sentence(pictures, monkeypatch):
    training = small(pictures)
    short_of_memory(training, monkeypatch, most=4)
    with pytest.raises(InputError, match=r"a batch of 8 in 1 part\(s\) does not fit .* use accumulate=2"):
        training.advance()


def test_fitted_finds_what_fits_and_changes_nothing_else(pictures, monkeypatch):
    training = small(pictures, networks=dcgan, norm=torch.nn.BatchNorm2d)
    before = {name: tensor.clone() for name, tensor in training.state_dict().items()}
    short_of_memory(training, monkeypatch, most=2)
    assert training.fitted().settings.accumulate == 4
    assert all(torch.equal(tensor, before[name]) for name, tensor in training.state_dict().items())
    short_of_memory(training, monkeypatch, most=0)
    with pytest.raises(InputError, match="a batch of 8 has no 16 equal parts"):
        training.fitted()


SHARED = """
import sys, torch
from dataclasses import replace
sys.path.insert(0, {root!r})
from tests.gan.test_engine import RICH, small
from gantutor.sources import Pictures
levels = torch.randint(0, 256, (20, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
from gantutor.gan import modern
training = small(Pictures(levels), replace(RICH, loss="non_saturating", betas=(0.5, 0.999)), modern)
for state in training.run(20):
    pass
training.save({path!r})
"""


def test_two_processes_are_one(tmp_path):
    """The same batch shared by two processes (gloo): the same weights after 20 steps."""
    results = []
    for count in (1, 2):
        path, script = tmp_path / f"{count}.safetensors", tmp_path / f"{count}.py"
        script.write_text(SHARED.format(root=os.getcwd(), path=str(path)))
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count)]
        command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", str(script)]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "GANTUTOR_DEVICE": "cpu"}
        result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr
        results.append(read_tensors(path)[0])
    for network in ("generator.", "discriminator.", "average."):
        one, two = (torch.cat([t.flatten() for k, t in r.items() if k.startswith(network)]) for r in results)
        assert (one - two).norm() < 1e-5 * one.norm()


def test_large_gradients_are_scaled_to_the_clip(pictures, monkeypatch):
    seen = []
    step = torch.optim.Adam.step

    def watched(adam, *given):
        seen.append(float(torch.nn.utils.get_total_norm([p.grad for g in adam.param_groups for p in g["params"]])))
        return step(adam, *given)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    state = small(pictures, replace(EXACT, clip=1e-3)).advance()
    assert seen == pytest.approx([1e-3, 1e-3], rel=1e-3)
    assert state.discriminator_gradient > 1e-2  # what is shown is what it was
    small(pictures).advance()
    assert max(seen[2:]) > 1e-2


def test_frozen_parameters_stay(pictures):
    training = small(pictures)
    frozen = training.generator.layers[0].weight.requires_grad_(False)
    again = Training(training.generator, training.discriminator, pictures, EXACT)
    before, other = frozen.clone(), again.generator.layers[3].weight.detach().clone()
    again.advance()
    assert torch.equal(frozen, before) and not torch.equal(again.generator.layers[3].weight, other)
