import copy
import math

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from untrimmed.core.errors import ConfigError
from untrimmed.nn.encoders import video_swin
from untrimmed.nn.layers.window_attention import WindowAttention
from untrimmed.nn.layers.windows import Layout
from untrimmed.nn.protocols import Encoder

N, L, H, W = 3, 6, 28, 20  # maps of 3 x 7 x 5, 3 x 4 x 3 and 3 x 2 x 2 positions
CPU = torch.device("cpu")


def config(**changes):
    settings = {
        "size": None,
        "embed": 8,
        "depths": (2, 1, 2),
        "heads": (1, 2, 4),
        "window": (2, 3, 3),
        "drop_path": 0.4,
    }
    return video_swin.Config(**{**settings, **changes})


def built(seed=0, **changes):
    """An encoder whose weights are large enough for every part to matter."""
    torch.manual_seed(seed)
    encoder = config(**changes).build()
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.2)
    return encoder


@pytest.fixture
def encoder():
    return built().eval()


@pytest.fixture
def clips():
    shape = (N, 3, L, H, W)
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(1)).to(torch.uint8)


def gradients(encoder):
    return {name: weight.grad for name, weight in encoder.named_parameters()}


def assert_same_gradients(actual, wanted, *, of_max):
    assert actual.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(
            actual[name], gradient, rtol=0, atol=of_max * float(gradient.abs().max()), msg=name
        )


# Clips


def test_it_is_an_encoder(encoder):
    assert isinstance(encoder, Encoder)


def test_a_batch_gives_what_its_clips_give_alone(encoder, clips):
    encoder = encoder.double()
    alone = torch.cat([encoder(clip[None]) for clip in clips])
    torch.testing.assert_close(encoder(clips), alone, rtol=0, atol=1e-12)


def test_a_clip_does_not_see_the_others(encoder, clips):
    changed = clips.clone()
    changed[1:] = 255 - changed[1:]
    before, after = encoder(clips), encoder(changed)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])


@pytest.mark.parametrize("stem", ["patch", "conv"])
@pytest.mark.parametrize("patch", [(2, 4, 4), (4, 2, 8), (1, 1, 1)])
def test_a_cell_is_a_stride_of_frames_whatever_the_size(stem, patch):
    encoder = built(stem=stem, patch=patch).eval()
    assert encoder.stride == patch[0]
    for frames, height, width in [(1, 9, 5), (5, 13, 8), (8, 1, 17)]:
        features = encoder(torch.zeros(2, 3, frames, height, width, dtype=torch.uint8))
        assert features.shape == (2, encoder.channels, -(-frames // patch[0]))
        assert features.isfinite().all()


def test_bytes_and_numbers_are_the_same_pixels(encoder, clips):
    assert torch.equal(encoder(clips), encoder(clips.float()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pixels_are_normalised_by_colour_before_they_are_rounded(encoder, clips, dtype):
    encoder = encoder.to(dtype)
    mean, std = (
        torch.tensor(x)[:, None, None, None] for x in (encoder.config.mean, encoder.config.std)
    )
    last = encoder.maps(((clips - mean) / std).to(dtype))[-1]
    wanted = encoder.norm(last.movedim(1, -1)).mean((2, 3)).transpose(1, 2)
    assert torch.equal(encoder(clips), wanted)


@pytest.mark.parametrize("axis", [2, 3, 4])
def test_what_a_patch_lacks_is_the_mean_colour(encoder, clips, axis):
    clips = clips.float()
    filled = clips.clone()
    filled.narrow(axis, clips.shape[axis] - 1, 1)[:] = torch.tensor(encoder.config.mean).view(
        1, 3, 1, 1, 1
    )
    short = clips.narrow(axis, 0, clips.shape[axis] - 1)
    torch.testing.assert_close(encoder(short), encoder(filled))


@pytest.mark.parametrize("stem", ["patch", "conv"])
@pytest.mark.parametrize("norm", [False, True])
def test_the_first_map_is_normalised_if_asked_for(stem, norm):
    pixels = torch.randn(2, 3, 4, 8, 8)
    first = config(stem=stem, patch_norm=norm).build().maps(pixels)[0]
    assert (first.mean(1).abs().max() < 1e-5) == norm


@pytest.mark.parametrize(("stem", "overlaps"), [("patch", False), ("conv", True)])
def test_convolutions_see_beyond_their_patch(stem, overlaps):
    encoder = built(stem=stem)
    pixels = torch.zeros(1, 3, 2, 4, 16, requires_grad=True)
    encoder.maps(pixels)[0][..., 1].square().sum().backward()
    seen = pixels.grad.abs().amax((0, 1, 2, 3)) > 0
    assert seen[4:8].all()
    assert seen[3] == overlaps
    assert not seen[12:].any()


# Windows


def layout(size, full, *, exact=False):
    return Layout(size, full, exact, CPU)


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("size", [(3, 7, 5), (4, 6, 9), (1, 2, 3)])
def test_join_undoes_cut(size, moved):
    x = torch.randn(2, *size, 4)
    windows = layout(size, (2, 3, 3))
    assert torch.equal(windows.join(windows.cut(x, moved=moved), moved=moved), x)


@pytest.mark.parametrize("size", [(4, 9, 5), (2, 6, 14), (5, 3, 4)])
def test_a_moved_window_holds_neighbours_apart_from_those_it_keeps_apart(size):
    windows = layout(size, (2, 3, 4))
    axes = [torch.arange(side).float() for side in windows.padded]
    place = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)[None]
    place = layout(windows.padded, windows.full).cut(place, moved=True)[0]
    distance = (place[:, :, None] - place[:, None]).abs()
    assert torch.equal(windows.apart, (distance >= torch.tensor(windows.window)).any(-1))


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("size", [(8, 6, 9), (4, 3, 12), (4, 3, 3), (1, 6, 9), (8, 6, 2)])
def test_boxes_hold_the_pairs_that_are_neither_in_other_windows_nor_apart(size, moved):
    windows = layout(size, (4, 3, 3))
    numbers = torch.arange(math.prod(size))
    places = windows.cut(numbers.view(1, *size, 1), moved=moved)[0, :, :, 0]
    apart = windows.apart if moved else torch.zeros_like(windows.apart)
    wanted = torch.full((len(numbers), len(numbers)), -1)  # row of the bias table, by pair
    for window, separated in zip(places, apart, strict=True):
        wanted[window[:, None], window] = torch.where(separated, -1, windows.index)
    found = torch.full_like(wanted, -1)
    cut = windows.by_boxes(moved=moved)
    for piece in cut.pieces:
        for rows, kind in piece.boxes:
            index = cut.kinds[kind]
            for box in piece.places[rows].unflatten(0, (-1, len(index))):
                found[box[:, None], box] = index
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("moved", [False, True])
def test_every_place_of_a_map_is_found_again_in_its_pieces(moved):
    cut = layout((8, 16, 64), (4, 4, 4)).by_boxes(moved=moved)
    assert len(cut.pieces) > 1
    places = torch.cat([piece.places for piece in cut.pieces])
    assert torch.equal(places[cut.back], torch.arange(8 * 16 * 64))
    for piece in cut.pieces:
        ends = [0, *(rows.stop for rows, _ in piece.boxes)]
        assert [rows.start for rows, _ in piece.boxes] == ends[:-1]
        assert ends[-1] == len(piece.places)


def test_boxes_that_differ_in_their_place_alone_are_of_one_kind():
    """Of 2 windows in time one is parted in halves, of 2 in height and in width one in 2 and 1."""
    assert len(layout((8, 6, 6), (4, 3, 3)).by_boxes(moved=True).kinds) == 2 * 3 * 3


def test_a_piece_is_as_large_as_it_may_be():
    pieces = layout((8, 64, 64), (8, 4, 4)).by_boxes(moved=False).pieces
    assert [len(piece.places) for piece in pieces] == [4096] * 8
    pieces = layout((8, 28, 28), (4, 7, 7)).by_boxes(moved=True).pieces
    assert len(pieces) == 2


def test_a_map_that_is_no_whole_number_of_windows_has_no_pieces():
    with pytest.raises(ValueError, match=r"\(3, 6, 6\) is no whole number of \(2, 3, 3\)"):
        layout((3, 6, 6), (2, 3, 3)).by_boxes(moved=False)


@pytest.mark.parametrize("size", [(4, 24, 24), (4, 12, 36), (6, 28, 20), (1, 7, 9)])
def test_features_without_gradient_are_those_with(encoder, size):
    encoder = encoder.double()
    clips = torch.randint(256, (2, 3, *size)).to(torch.uint8)
    with torch.no_grad():
        features = encoder(clips)
    torch.testing.assert_close(features, encoder(clips).detach(), rtol=0, atol=1e-12)


def test_an_encoder_without_gradient_leaves_its_input_alone(encoder):
    clips = torch.randint(256, (2, 3, 4, 24, 24)).float()
    given = clips.clone()
    with torch.no_grad():
        encoder(clips)
        block, x = encoder.stages[0].blocks[1], torch.randn(2, 2, 6, 6, 8)
        before = x.clone()
        block(x, layout((2, 6, 6), (2, 3, 3)), None)
    assert torch.equal(clips, given)
    assert torch.equal(x, before)


def test_a_side_that_one_window_covers_is_not_shifted():
    assert layout((8, 8, 8), (8, 7, 9)).shift == (0, 3, 0)


@pytest.mark.parametrize("window", [(2, 4, 4), (3, 5, 2), (5, 4, 3)])
def test_an_exact_index_depends_on_the_distance_alone(window):
    full = (5, 5, 4)
    axes = [torch.arange(side) for side in window]
    place = torch.cartesian_prod(*axes)
    d, h, w = (place[:, None] - place + torch.tensor(full) - 1).unbind(-1)
    wanted = (d * 9 + h) * 7 + w
    assert torch.equal(layout(window, full, exact=True).index, wanted)


def test_a_cropped_index_is_exact_where_only_time_is_short():
    full = (4, 3, 2)
    for window, same in [((2, 3, 2), True), ((4, 2, 2), False)]:
        cropped, exact = (layout(window, full, exact=exact).index for exact in (False, True))
        assert torch.equal(cropped, exact) == same


def test_the_index_is_chosen_by_the_setting(clips):
    cropped, exact = (built(index=index).eval()(clips) for index in ("cropped", "exact"))
    assert not torch.allclose(cropped, exact)


def test_logits_are_scaled_by_the_channels_of_a_head_unless_told(encoder, clips):
    assert torch.equal(built(qk_scale=8**-0.5).eval()(clips), encoder(clips))
    assert not torch.allclose(built(qk_scale=0.9).eval()(clips), encoder(clips))


def test_queries_keys_and_values_have_a_bias_if_asked_for():
    for wanted in (False, True):
        names = built(qkv_bias=wanted).state_dict().keys()
        assert any(name.endswith("qkv.bias") for name in names) == wanted


# Gradients


@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_the_gradient_reaches_every_parameter(stem, clips):
    encoder = built(stem=stem, drop_path=0.0)
    encoder(clips).square().sum().backward()
    for name, gradient in gradients(encoder).items():
        assert gradient is not None, name
        assert gradient.abs().max() > 0, name


@pytest.mark.parametrize("recompute", ["block", "half_block"])
def test_recomputing_changes_no_gradient(recompute, clips):
    keep = config().build().draw_keep(N, torch.Generator().manual_seed(3))
    results = []
    for mode in ("none", recompute):
        encoder = built(checkpoint=mode).double()
        encoder(clips, keep=keep).square().sum().backward()
        results.append(gradients(encoder))
    assert_same_gradients(*results, of_max=1e-12)


def test_recomputing_keeps_fewer_activations(clips):
    def kept(mode):
        seen = {}

        def pack(x):
            seen[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            result = built(checkpoint=mode)(clips)
        del result
        return sum(seen.values())

    assert kept("none") > 2 * kept("half_block") > 2 * kept("block")


@pytest.mark.parametrize("recompute", ["none", "block"])
@pytest.mark.parametrize("at_once", [1, 2])
def test_portions_with_the_same_draws_have_the_gradient_of_the_whole(recompute, at_once, clips):
    encoder = built(checkpoint=recompute).double()
    keep = encoder.draw_keep(N, torch.Generator().manual_seed(3))
    assert not keep.all()
    encoder(clips, keep=keep).square().sum().backward()
    wanted = gradients(encoder)

    encoder.zero_grad()
    parts = [
        checkpoint(
            encoder, clips[i : i + at_once], keep=keep[:, i : i + at_once], use_reentrant=False
        )
        for i in range(0, N, at_once)
    ]
    torch.cat(parts).square().sum().backward()
    assert_same_gradients(gradients(encoder), wanted, of_max=1e-12)


# Stochastic depth


def test_draws_go_by_block_with_attention_first(encoder, clips):
    """The last row is the MLP of the last block: leaving it out is having no such MLP."""
    keep = encoder.draw_keep(N, torch.Generator()) | True
    keep[-1] = False
    left_out = encoder(clips, keep=keep)
    with torch.no_grad():
        for weight in encoder.stages[-1].blocks[-1].mlp[2].parameters():
            weight.zero_()
    keep[-1] = True
    torch.testing.assert_close(left_out, encoder(clips, keep=keep))


def test_blocks_that_are_never_left_out_draw_nothing():
    blocks = 5
    assert len(built(drop_path=0.4).draw_keep(N)) == 2 * (blocks - 1)
    assert len(built(drop_path=0.4, frozen_stages=1).draw_keep(N)) == 2 * (blocks - 2)
    assert len(built(drop_path=0.0).draw_keep(N)) == 0


def test_draws_are_random_in_training_alone(encoder, clips):
    with torch.no_grad():
        assert torch.equal(encoder(clips), encoder(clips))
        encoder.train()
        assert not torch.equal(encoder(clips), encoder(clips))


def test_draws_that_do_not_fit_are_refused(encoder, clips):
    with pytest.raises(ValueError, match=r"keep is \(7, 3\), wanted 8 draws for 3 clips"):
        encoder(clips, keep=encoder.draw_keep(N)[1:])


# Frozen stages


@pytest.mark.parametrize("count", [0, 1, 3])
def test_frozen_parts_get_no_gradient_and_all_others_do(count, clips):
    encoder = built(frozen_stages=count, drop_path=0.0)
    encoder(clips).square().sum().backward()
    frozen = ("stem.", *(f"stages.{stage}." for stage in range(count)))
    for name, gradient in gradients(encoder).items():
        assert (gradient is None) == name.startswith(frozen), name


def test_frozen_parts_stay_in_evaluation():
    encoder = built(frozen_stages=1)

    def modes():
        return [part.training for part in (encoder, encoder.stem, *encoder.stages)]

    assert modes() == [True, False, False, True, True]
    encoder.eval()
    assert not any(modes())
    torch.nn.Sequential(encoder).train()
    assert modes() == [True, False, False, True, True]


# Numbers


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near_full(encoder, clips, dtype):
    with torch.no_grad():
        wanted = encoder(clips)
        features = encoder.to(dtype)(clips)
    assert features.dtype == dtype
    assert (features - wanted).norm() < 0.1 * wanted.norm()


def test_autocast_is_near_full_precision_forwards_and_backwards(encoder, clips):
    wanted = encoder(clips)
    wanted.square().sum().backward()
    full = gradients(encoder)
    encoder.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        features = encoder(clips)
    features.float().square().sum().backward()
    assert (features - wanted).norm() < 0.1 * wanted.norm()
    for name, gradient in gradients(encoder).items():
        assert gradient.dtype == torch.float32
        assert (gradient - full[name]).norm() < 0.1 * full[name].norm(), name


@pytest.mark.parametrize(
    ("size", "parameters", "trained"),
    [
        ("tiny", 27_850_470, 26_310_984),
        ("small", 49_509_078, 47_969_592),
        ("base", 87_638_984, 84_930_976),
    ],
)
def test_parameters_are_as_many_as_in_public_weights(size, parameters, trained):
    with torch.device("meta"):
        encoder = video_swin.Config(size=size, frozen_stages=2).build()
    weights = list(encoder.parameters())
    assert sum(weight.numel() for weight in weights) == parameters
    assert sum(weight.numel() for weight in weights if weight.requires_grad) == trained


# Terms that are kept outside of training


def step(encoder, **kwargs):
    """Train in evaluation mode, with a call without gradient between backward and step."""
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1, **kwargs)
    pixels = torch.randint(256, (1, 3, L, H, W)).to(torch.uint8)
    encoder(pixels).square().sum().backward()
    with torch.no_grad():
        encoder(pixels)
    optimizer.step()


def write_behind(encoder):
    for weight in encoder.parameters():
        weight.data.mul_(1.5)


CHANGES = {
    "optimizer": lambda encoder: step(encoder, foreach=False),
    "fused optimizer": lambda encoder: step(encoder, fused=True),
    "load": lambda encoder: encoder.load_state_dict(built(seed=5).state_dict()),
    "assign": lambda encoder: encoder.load_state_dict(built(seed=5).state_dict(), assign=True),
    "data": write_behind,
    "dtype": lambda encoder: encoder.double(),
    "rounding": lambda encoder: encoder.bfloat16().float(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_kept_terms_do_not_outlive_the_weights(encoder, clips, change, mode):
    with mode():
        before = encoder(clips)
    CHANGES[change](encoder)
    with mode():
        after = encoder(clips)
    assert not torch.equal(after.float(), before)
    fresh = config().build().to(after.dtype).eval()
    fresh.load_state_dict(encoder.state_dict())
    with mode():
        assert torch.equal(after, fresh(clips))


def test_a_copy_does_not_share_what_is_kept(encoder, clips):
    with torch.no_grad():
        wanted = encoder(clips)
        copied = copy.deepcopy(encoder)
        for weight in copied.parameters():
            weight.mul_(1.5)
        assert not torch.equal(copied(clips), wanted)
        assert torch.equal(encoder(clips), wanted)


def test_a_term_is_built_once_outside_of_training_and_always_in_training():
    attention = WindowAttention(4, heads=2, window=(2, 3, 3), moved=True).eval()
    windows = layout((4, 6, 6), (2, 3, 3))

    def bias(windows=windows, dtype=torch.float32):
        return attention.bias(windows, dtype=dtype)

    with torch.no_grad():
        first = bias()
        assert bias() is first
        assert bias(dtype=torch.bfloat16).dtype == torch.bfloat16
        assert bias(layout((4, 9, 6), (2, 3, 3))).shape != bias().shape
        small, exact = (layout((4, 2, 6), (2, 3, 3), exact=exact) for exact in (False, True))
        assert not torch.equal(bias(small), bias(exact))
        large = layout((4, 9, 9), (2, 3, 3))
        assert len(bias(large)) == 18
        boxes = attention.biases(large, dtype=torch.float32)
        assert attention.biases(large, dtype=torch.float32) is boxes
        assert {term.shape for term in boxes} >= {(2, 18, 18), (2, 1, 1)}
        attention.train()
        assert bias() is not bias()
    attention.eval()
    assert bias().requires_grad


def test_it_trains_after_it_was_used_in_inference_mode(encoder, clips):
    with torch.inference_mode():
        encoder(clips)
    encoder(clips).square().sum().backward()
    assert encoder.stages[0].blocks[1].attention.bias_table.grad.abs().max() > 0


def test_what_is_kept_is_not_part_of_the_state(encoder, clips):
    names = set(encoder.state_dict())
    with torch.no_grad():
        encoder(clips)
    assert set(encoder.state_dict()) == names == dict(encoder.named_parameters()).keys()


# Public weights


def public(encoder, *, torchvision=False):
    """The weights of an encoder under public names, with what public files hold besides."""
    words = {
        "stem": "patch_embed",
        "projection": "proj",
        "attention": "attn",
        "attention_norm": "norm1",
        "mlp_norm": "norm2",
        "bias_table": "relative_position_bias_table",
    }
    state = {}
    for name, weight in encoder.state_dict().items():
        key = ".".join(words.get(word, word) for word in name.split("."))
        mlp = ("mlp.0", "mlp.3") if torchvision else ("mlp.fc1", "mlp.fc2")
        key = key.replace("mlp.2", mlp[1]).replace("mlp.0", mlp[0])
        for stage in range(len(encoder.stages)):
            blocks, merge = (
                (f"features.{2 * stage}", f"features.{2 * stage + 1}")
                if torchvision
                else (f"layers.{stage}.blocks", f"layers.{stage}.downsample")
            )
            key = key.replace(f"stages.{stage}.blocks", blocks)
            key = key.replace(f"stages.{stage}.merge", merge)
        state[key] = weight
        if key.endswith("bias_table"):
            state[key.replace("bias_table", "index")] = torch.zeros(2, 2)
    return state


def is_the_same(state, encoder):
    wanted = encoder.state_dict()
    return state.keys() == wanted.keys() and all(
        torch.equal(state[name], weight) for name, weight in wanted.items()
    )


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_weights_of_the_authors_get_our_names(encoder, prefix):
    state = {prefix + key: weight for key, weight in public(encoder).items()}
    state[f"{prefix}layers.0.blocks.1.dummy_tensor"] = torch.zeros(1)
    state["cls_head.fc_cls.weight"] = torch.zeros(400, 32)
    state["cls_head.fc_cls.bias"] = torch.zeros(400)
    assert is_the_same(video_swin.rename(state), encoder)


def test_weights_of_torchvision_get_our_names(encoder):
    state = public(encoder, torchvision=True)
    state |= {"head.weight": torch.zeros(400, 32), "head.bias": torch.zeros(400)}
    assert is_the_same(video_swin.rename(state), encoder)


@pytest.mark.parametrize(
    "key",
    ["neck.0.conv1.weight", "norm.0.weight", "layers.0.blocks.0.attn.gate", "head.0.bias", "queue"],
)
def test_unknown_weights_are_refused_by_name(encoder, key):
    with pytest.raises(ValueError, match=f"not of a Video Swin Transformer: {key}$"):
        video_swin.rename({**public(encoder), key: torch.zeros(1)})


# Settings


def test_a_size_gives_what_is_not_given_by_itself():
    assert video_swin.Config(size="base").architecture == (
        128,
        (2, 2, 18, 2),
        (4, 8, 16, 32),
        0.2,
    )
    changed = video_swin.Config(size="tiny", embed=24, drop_path=0.0).architecture
    assert changed == (24, (2, 2, 6, 2), (3, 6, 12, 24), 0.0)


def test_rates_rise_in_even_steps():
    first, second, third = built(drop_path=0.4).rates
    assert [*first, *second, *third] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embed": None}, "without a size give all three"),
        ({"depths": None}, "without a size give all three"),
        ({"heads": (1, 2)}, "make no encoder"),
        ({"depths": (2, 0, 2)}, "make no encoder"),
        ({"heads": (1, 2, 5)}, "heads: the 32 channels of stage 2 do not divide into 5"),
        ({"window": (2, 0, 3)}, r"window: wanted numbers above 0, got \(2, 0, 3\)"),
        ({"std": (1.0, 0.0, 1.0)}, "std: wanted numbers above 0"),
        ({"mlp_ratio": 0.0}, "mlp_ratio: wanted a number above 0"),
        ({"drop_path": 1.0}, r"drop_path: wanted a rate in \[0, 1\), got 1.0"),
        ({"frozen_stages": 4}, "frozen_stages: wanted 0 to 3 stages, got 4"),
        ({"frozen_stages": -1}, "frozen_stages: wanted 0 to 3 stages, got -1"),
        ({"stem": "conv", "patch": (2, 3, 4)}, "patch: a conv stem halves its input"),
    ],
)
def test_settings_that_make_no_encoder_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        config(**changes)
