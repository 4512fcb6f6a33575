import dataclasses
import random
import shutil
import signal

import pytest
import torch
from filelock import FileLock
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.modeling_layers import GradientCheckpointingLayer

from finetune.base import Base
from finetune.batches import Encoded, batches, tensors
from finetune.track import Tracker
from finetune.train import Plan, Run, set_aside, steps_within, validated
from knowledge.errors import NotesError

PLAN = Plan(steps=12, batch=4, rank=4, learning_rate=1e-2)
WORDS = 40


@pytest.fixture
def base(tmp_path):
    """A model of 40 words that knows nothing; always the same one."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, initializer_range=0.2,
    )  # fmt: skip
    return Base(tmp_path, LlamaForCausalLM(config).to(torch.bfloat16), None)


def always(word, number, seed):
    """Examples whose reply is that word, whatever the prompt."""
    chance = random.Random(seed)
    prompts = [tuple(chance.randrange(2, WORDS) for _ in range(chance.randrange(3, 9))) for _ in range(number)]
    return [Encoded(prompt, (word, 1)) for prompt in prompts]


def quiet(progress, loss):
    pass


def adapter(folder):
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def test_training_lowers_the_loss_and_keeps_the_best_adapter(base, tmp_path):
    run = Run(base, dataclasses.replace(PLAN, steps=60), tmp_path / "run")
    run.train(always(5, 200, 1), always(5, 20, 2), quiet)
    losses = [loss for _, loss in run.progress.validation]
    assert run.progress.best == min(losses) < 0.8 * losses[0]
    assert adapter(tmp_path / "run")
    assert str(tmp_path) not in "".join(file.read_text() for file in (tmp_path / "run" / "adapter").glob("*.[jm][sd]*"))


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(base, tmp_path):
    training, validation = always(5, 50, 1), always(5, 8, 2)
    whole = Run(base, PLAN, tmp_path / "whole")
    whole.train(training, validation, quiet)
    whole.model.unload()

    def stop(progress, loss):
        if progress.step == 5:
            raise KeyboardInterrupt

    broken = Run(base, PLAN, tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        broken.train(training, validation, stop)
    broken.model.unload()
    resumed = Run(base, PLAN, tmp_path / "broken")
    assert resumed.progress.step == 5
    resumed.train(training, validation, quiet)
    assert (
        resumed.progress.training == [list(pair) for pair in whole.progress.training[:5]] + whole.progress.training[5:]
    )
    one, other = adapter(tmp_path / "whole"), adapter(tmp_path / "broken")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_dropout_of_an_adapter_that_is_gone_on_from_is_off_so_that_runs_repeat(base, tmp_path):
    origin = tmp_path / "origin"
    dropping = LoraConfig(task_type="CAUSAL_LM", r=4, lora_dropout=0.5, init_lora_weights=False)
    model = get_peft_model(base.model, dropping)
    model.save_pretrained(origin)
    model.unload()
    run = Run(base, PLAN, tmp_path / "run", origin)
    with torch.no_grad():
        assert run._loss(always(5, 8, 1)) == run._loss(always(5, 8, 1))


def test_keeping_only_the_inputs_of_layers_changes_no_loss_and_no_gradient(base, tmp_path):
    base.model.float().eval()  # as it is loaded
    batch = always(5, 8, 1)
    seen = {}
    for kept in ("all", "inputs"):
        base.model.is_loaded_in_4bit = kept == "inputs"  # as after loading in 4 bit, which takes a GPU
        run = Run(base, PLAN, tmp_path / kept)
        assert any(module.training for module in run.model.modules() if is_layer(module)) == (kept == "inputs")
        seen[kept] = [run._step(batch) for _ in range(3)]
        run.model.unload()
    assert seen["inputs"] == pytest.approx(seen["all"], rel=1e-4)
    assert seen["all"][0] != seen["all"][2]


def is_layer(module):
    return isinstance(module, GradientCheckpointingLayer)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
def test_what_a_gpu_has_begun_the_cpu_ends(base, tmp_path):
    def stop(progress, loss):
        if progress.step == 5:
            raise KeyboardInterrupt

    training, validation = always(5, 50, 1), always(5, 8, 2)
    base.model.to("cuda")
    run = Run(base, PLAN, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        run.train(training, validation, stop)
    run.model.unload()
    base.model.to("cpu")
    resumed = Run(base, PLAN, tmp_path / "run")
    assert resumed.progress.step == 5
    resumed.train(training, validation, quiet)
    assert resumed.progress.step == PLAN.steps


def test_an_unfinished_run_of_another_plan_is_refused(base, tmp_path):
    def stop(progress, loss):
        raise KeyboardInterrupt

    run = Run(base, PLAN, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        run.train(always(5, 20, 1), [], stop)
    run.model.unload()
    with pytest.raises(NotesError, match="another plan"):
        Run(base, dataclasses.replace(PLAN, rank=8), tmp_path / "run")


def test_a_second_run_in_the_same_folder_waits_for_the_first(base, tmp_path):
    run = Run(base, PLAN, tmp_path / "run")
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / "training.lock"), pytest.raises(NotesError, match="another run trains there"):
        run.train(always(5, 20, 1), [], quiet)
    assert not (tmp_path / "run" / "checkpoint").exists()
    run.train(always(5, 20, 1), [], quiet)
    assert run.progress.is_done


def test_a_finished_run_gives_way_to_one_of_another_plan(base, tmp_path):
    run = Run(base, PLAN, tmp_path / "run")
    run.train(always(5, 20, 1), [], quiet)
    run.model.unload()
    assert Run(base, dataclasses.replace(PLAN, rank=8), tmp_path / "run").progress.step == 0


def test_the_adapter_of_an_earlier_run_is_kept_under_another_name(base, tmp_path):
    out = tmp_path / "run"
    for number in (1, 2):
        run = Run(base, PLAN, out)
        run.train(always(5, 20, 1), [], quiet)
        run.model.unload()
        assert set_aside(out) == out / f"adapter-{number}"
        shutil.rmtree(out / "checkpoint")
    assert all((out / f"adapter-{number}" / "adapter_model.safetensors").is_file() for number in (1, 2))
    assert set_aside(out) is None


def test_a_run_ends_early_where_it_only_gets_worse(base, tmp_path):
    run = Run(base, dataclasses.replace(PLAN, steps=60), tmp_path / "run")
    run.train(always(5, 200, 1), always(6, 20, 2), quiet)
    assert run.progress.step < 60
    assert run.progress.best == min(loss for _, loss in run.progress.validation)


def test_batches_hold_every_example_once_an_epoch_and_are_the_same_for_a_seed():
    encoded = always(5, 50, 1)
    epoch = [next_batch for next_batch, _ in zip(batches(encoded, 8, 3), range(7), strict=False)]
    assert sorted(map(hash, (each for batch in epoch for each in batch))) == sorted(map(hash, encoded))
    again = [next_batch for next_batch, _ in zip(batches(encoded, 8, 3), range(7), strict=False)]
    assert epoch == again


def test_only_replies_are_learnt():
    ids, labels = tensors([Encoded((5, 6, 7), (8, 1)), Encoded((5,), (9, 1))], torch.device("cpu"))
    assert ids[0, :5].tolist() == [5, 6, 7, 8, 1]
    assert labels[0, :5].tolist() == [-100, -100, 8, 1, -100]
    assert labels[1, :3].tolist() == [9, 1, -100]
    assert (labels[:, 5:] == -100).all()


def test_a_run_stopped_in_the_middle_of_a_step_or_of_validating_ends_as_if_it_had_not_been(base, tmp_path):
    training, validation = always(5, 50, 1), always(5, 8, 2)
    whole = Run(base, PLAN, tmp_path / "whole")
    whole.train(training, validation, quiet)
    whole.model.unload()
    for stopped_after in (0, 1, 4, 9, 6):  # losses that were computed, of training and validation alike
        run = Run(base, PLAN, tmp_path / "broken")
        run._loss = counted(run._loss, stopped_after)
        with pytest.raises(KeyboardInterrupt):
            run.train(training, validation, quiet)
        run.model.unload()
    resumed = Run(base, PLAN, tmp_path / "broken")
    resumed.train(training, validation, quiet)
    losses = [(list(map(tuple, each.training)), list(map(tuple, each.validation))) for each in progress(whole, resumed)]
    assert losses[0] == losses[1]
    one, other = adapter(tmp_path / "whole"), adapter(tmp_path / "broken")
    assert all(torch.equal(one[name], other[name]) for name in one)


def progress(*runs):
    return [run.progress for run in runs]


def counted(compute, most):
    """`compute`, in the middle of which Ctrl-C is pressed when it has been called so many times."""
    calls = []

    def counting(rows):
        calls.append(rows)
        if len(calls) > most:
            signal.raise_signal(signal.SIGINT)
        return compute(rows)

    return counting


def test_ctrl_c_waits_until_a_step_is_whole(base, tmp_path, monkeypatch):
    run = Run(base, PLAN, tmp_path / "run")
    moved = run._optimiser.step

    def step():
        signal.raise_signal(signal.SIGINT)
        moved()

    monkeypatch.setattr(run._optimiser, "step", step)
    with pytest.raises(KeyboardInterrupt):
        run.train(always(5, 20, 1), [], quiet)
    assert run.progress.step == len(run.progress.training) == 1


def test_a_run_goes_on_where_the_power_went_as_a_checkpoint_was_replaced(base, tmp_path):
    def stop(progress, loss):
        if progress.step == 3:
            raise KeyboardInterrupt

    run = Run(base, PLAN, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        run.train(always(5, 20, 1), [], stop)
    run.model.unload()
    checkpoint = tmp_path / "run" / "checkpoint"
    checkpoint.rename(checkpoint.with_name("checkpoint.old"))
    resumed = Run(base, PLAN, tmp_path / "run")
    assert resumed.progress.step == 3
    resumed.model.unload()
    (checkpoint / "state.safetensors").write_bytes(b"cut off")
    with pytest.raises(NotesError, match="checkpoint is not whole: remove it"):
        Run(base, PLAN, tmp_path / "run")


def test_a_folder_that_cannot_be_written_is_told_before_the_first_step(base, tmp_path):
    (tmp_path / "file").write_text("")
    run = Run(base, PLAN, tmp_path / "file" / "run")
    with pytest.raises(NotesError, match="cannot be written"):
        run.train(always(5, 20, 1), [], quiet)
    assert run.progress.step == 0


def test_training_that_only_spoils_keeps_what_it_began_with(base, tmp_path):
    run = Run(base, dataclasses.replace(PLAN, steps=20), tmp_path / "run")
    others = [dataclasses.replace(each, reply=(6, 7)) for each in always(6, 20, 2)]
    run.train(always(5, 200, 1), others, quiet)
    assert run.progress.best == run.progress.validation[0][1]
    assert all((weight == 0).all() for name, weight in adapter(tmp_path / "run").items() if "lora_B" in name)


def test_a_budget_counts_what_validating_takes(base, monkeypatch):
    monkeypatch.setattr("finetune.train._measure", lambda base, training: 1.0)  # a step takes a second
    few, _ = steps_within(100, base, [], 0)
    some, _ = steps_within(100, base, [], 40)
    many, _ = steps_within(100, base, [], 1000)
    assert few == 100 > some > many >= 0.7 * 100
    assert validated(many) <= many


def test_a_store_that_mlflow_cannot_use_is_named(tmp_path):
    store = tmp_path / "mlflow.sqlite"
    store.write_text("no database, and longer than the head of one" * 10)
    with pytest.raises(NotesError, match="mlflow.sqlite: MLflow cannot use it"):
        Tracker(store, tmp_path / "run", PLAN)
