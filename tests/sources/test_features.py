"""Features from files of every kind: the same numbers, parts like wholes, and clear complaints."""

import pickle

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from untrimmed.core.errors import ConfigError, MediaError
from untrimmed.data.torch_file import READERS
from untrimmed.sources.array_cache import Cache
from untrimmed.sources.features import FeatureFiles, FeatureStore, Stack, resized

T, C = 11, 4
KINDS = (".npy", ".npz", ".h5", ".hdf5", ".safetensors", ".csv", ".pt", ".pth")
ARCHIVES = (".npz", ".h5", ".hdf5", ".safetensors")


def numbers(rows=T, columns=C, *, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def write(path, arrays):
    """A file of arrays by name; kinds without names take the only one."""
    match path.suffix:
        case ".npy":
            np.save(path, *arrays.values())
        case ".npz":
            np.savez_compressed(path, **arrays)
        case ".h5" | ".hdf5":
            with h5py.File(path, "w") as file:
                for name, array in arrays.items():
                    file[name] = array
        case ".safetensors":
            save_file({name: np.ascontiguousarray(each) for name, each in arrays.items()}, path)
        case ".csv":
            np.savetxt(path, *arrays.values(), delimiter=",", fmt="%.9g")
        case ".pt" | ".pth":
            torch.save({name: torch.from_numpy(each) for name, each in arrays.items()}, path)
    return path


def store(*files, **settings):
    return FeatureStore.open(files, readers=READERS, **settings)


@pytest.fixture
def folder(tmp_path):
    """A folder with a file of the video "v" of numbers(); more can be put there."""
    write(tmp_path / "v.npy", {"x": numbers()})
    return tmp_path


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_numbers_whole_and_in_part(tmp_path, kind, transposed):
    write(tmp_path / f"v{kind}", {"x": numbers().T.copy() if transposed else numbers()})
    features = store(FeatureFiles(path=tmp_path, transposed=transposed))
    assert features.rows("v") == T
    assert features.channels == (C,)
    np.testing.assert_array_equal(features.read("v"), numbers())
    np.testing.assert_array_equal(features.read("v", 3, 7), numbers()[3:7])
    assert features.read("v", T, T).shape == (0, C)
    assert features.read("v").dtype == np.float32


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_holds_an_entry_for_each_video(tmp_path, kind):
    entries = {"v_a.x": numbers(), "v_b.x": numbers(5, seed=1)}
    path = write(tmp_path / f"all{kind}", entries)
    features = store(FeatureFiles(path=path, prefix="v_", suffix=".x"))
    assert (features.rows("a"), features.rows("b")) == (T, 5)
    np.testing.assert_array_equal(features.read("b", 1), numbers(5, seed=1)[1:])
    assert features.has("a")
    assert not features.has("c")
    with pytest.raises(MediaError, match=r"of the video c: there is no entry v_c\.x"):
        features.rows("c")


def test_an_archive_may_hold_a_group_of_arrays_for_each_video(tmp_path):
    path = write(tmp_path / "all.h5", {"a/rgb": numbers(), "a/flow": numbers(seed=2)})
    features = store(FeatureFiles(path=path, array="flow"))
    np.testing.assert_array_equal(features.read("a"), numbers(seed=2))
    with pytest.raises(MediaError, match="wanted one array, there are 2: flow, rgb"):
        store(FeatureFiles(path=path)).rows("a")


@pytest.mark.parametrize("kind", [".npz", ".h5", ".safetensors"])
def test_one_of_several_arrays_of_a_file_is_taken_by_its_name(tmp_path, kind):
    write(tmp_path / f"v{kind}", {"feats": numbers(), "labels": numbers(2, 3)})
    features = store(FeatureFiles(path=tmp_path, array="feats"))
    np.testing.assert_array_equal(features.read("v"), numbers())
    with pytest.raises(MediaError, match="wanted one array, there are 2: feats, labels"):
        store(FeatureFiles(path=tmp_path)).rows("v")
    with pytest.raises(MediaError, match="no array `rgb`; there are: feats, labels"):
        store(FeatureFiles(path=tmp_path, array="rgb")).rows("v")


def test_prefix_and_suffix_are_around_the_id(tmp_path):
    write(tmp_path / "v_a.b_rgb.npy", {"x": numbers()})
    write(tmp_path / "v_a.b_flow.npy", {"x": numbers(seed=1)})
    features = store(FeatureFiles(path=tmp_path, prefix="v_", suffix="_flow.npy"))
    np.testing.assert_array_equal(features.read("a.b"), numbers(seed=1))


def test_two_files_of_a_video_must_be_told_apart(folder):
    write(folder / "v.csv", {"x": numbers()})
    with pytest.raises(ConfigError, match=r"v\.npy and v\.csv; say which by the suffix"):
        store(FeatureFiles(path=folder)).rows("v")
    assert store(FeatureFiles(path=folder, suffix=".csv")).rows("v") == T


def test_a_table_may_name_its_columns(tmp_path):
    (tmp_path / "v.csv").write_text("\ufeffa,b\n1,2.5\n-3e2,4\n", encoding="utf-8")
    assert store(FeatureFiles(path=tmp_path)).read("v").tolist() == [[1, 2.5], [-300, 4]]


@pytest.mark.parametrize("kind", ["float16", "float64", "int16", "uint8"])
def test_numbers_of_other_types_become_float32(tmp_path, kind):
    values = np.arange(6).reshape(3, 2).astype(kind)
    np.save(tmp_path / "v.npy", values)
    read = store(FeatureFiles(path=tmp_path)).read("v")
    assert read.dtype == np.float32
    assert read.tolist() == values.tolist()


def test_sets_are_joined_along_channels_in_their_order(tmp_path):
    for name, rows, columns in (("one", T, 3), ("two", T + 1, 2)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "v.npy", {"x": numbers(rows, columns)})
    features = store(FeatureFiles(path=tmp_path / "two"), FeatureFiles(path=tmp_path / "one"))
    assert features.rows("v") == T
    assert features.channels == (2, 3)
    wanted = np.concatenate([numbers(T + 1, 2)[:T], numbers(T, 3)], axis=1)
    np.testing.assert_array_equal(features.read("v"), wanted)


def test_sets_whose_cells_differ_by_two_are_refused(tmp_path):
    for name, rows in (("one", T), ("two", T + 2)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "v.npy", {"x": numbers(rows)})
    features = store(FeatureFiles(path=tmp_path / "two"), FeatureFiles(path=tmp_path / "one"))
    with pytest.raises(MediaError, match=r"one/v\.npy: 11 cells, but 13 in .*two/v\.npy"):
        features.rows("v")


def test_columns_and_every_take_a_part(folder):
    features = store(FeatureFiles(path=folder, columns=(1, 3), every=4))
    np.testing.assert_array_equal(features.read("v"), numbers()[::4, 1:3])
    assert features.channels == (2,)
    with pytest.raises(MediaError, match=r"wanted the columns \(2, 5\), there are 4"):
        store(FeatureFiles(path=folder, columns=(2, 5))).rows("v")


def test_a_cell_may_be_of_several_rows_side_by_side(folder):
    features = store(FeatureFiles(path=folder, stack=Stack(rows=4, step=3)))
    assert features.rows("v") == 3  # from rows 0, 3 and 6; 9 has too few behind it
    assert features.channels == (4 * C,)
    read = features.read("v")
    for cell, row in enumerate((0, 3, 6)):
        assert read[cell].tolist() == numbers()[row : row + 4].ravel().tolist()


def test_a_video_shorter_than_one_stack_is_refused(folder):
    with pytest.raises(MediaError, match="11 rows, but a cell has 12"):
        store(FeatureFiles(path=folder, stack=Stack(rows=12, step=1))).rows("v")


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(6, 30),
    size=st.integers(1, 6),
    step=st.integers(1, 5),
    every=st.integers(1, 4),
    transposed=st.booleans(),
    bounds=st.tuples(st.integers(0, 30), st.integers(0, 30)),
)
def test_a_part_is_a_slice_of_the_whole(
    tmp_path_factory, rows, size, step, every, transposed, bounds
):
    folder = tmp_path_factory.mktemp("features")
    array = numbers(rows)
    write(folder / "v.npy", {"x": array.T if transposed else array})
    stack = Stack(rows=size, step=step)
    features = store(FeatureFiles(path=folder, stack=stack, every=every, transposed=transposed))
    whole = features.read("v")
    first = range(0, rows - size + 1, step)[::every]
    np.testing.assert_array_equal(whole, [array[row : row + size].ravel() for row in first])
    start, stop = sorted(min(bound, len(whole)) for bound in bounds)
    np.testing.assert_array_equal(features.read("v", start, stop), whole[start:stop])


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (4, 3), (0, T + 1)])
def test_cells_outside_of_the_video_are_refused(folder, start, stop):
    with pytest.raises(ValueError, match="of v, which has 11"):
        store(FeatureFiles(path=folder)).read("v", start, stop)


def test_what_is_read_can_be_changed_without_changing_the_next_reading(tmp_path):
    write(tmp_path / "v.npz", {"x": numbers()})
    features = store(FeatureFiles(path=tmp_path))
    features.read("v")[:] = 0
    np.testing.assert_array_equal(features.read("v"), numbers())


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_number_that_float32_does_not_have_is_found_where_it_is(tmp_path, bad):
    array = numbers().astype(np.float64)
    array[6, 2] = array[8, 0] = bad
    np.save(tmp_path / "v.npy", array)
    features = store(FeatureFiles(path=tmp_path, columns=(1, 4), every=2))
    with pytest.raises(MediaError, match=r"in row 6, column 2, of the features of v"):
        features.read("v", 1)
    np.testing.assert_array_equal(features.read("v", 0, 2), numbers()[:4:2, 1:])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4), np.float32), r"got the shape \(2, 3, 4\)"),
        (np.zeros(3, np.float32), r"got the shape \(3,\)"),
        (np.zeros((0, 3), np.float32), "empty: 0 x 3"),
        (np.zeros((3, 2), np.int64), "got int64; is it another array"),
        (np.zeros((3, 2), np.complex64), "got complex64"),
        (np.zeros((3, 2), bool), "got bool"),
        (np.array([["a", "b"]]), "got <U1"),
    ],
)
def test_an_array_of_another_kind_is_refused(tmp_path, array, message):
    np.save(tmp_path / "v.npy", array)
    with pytest.raises(MediaError, match=message):
        store(FeatureFiles(path=tmp_path)).rows("v")


@pytest.mark.parametrize("kind", [".npy", ".npz"])
def test_nothing_is_unpickled(tmp_path, kind):
    write(tmp_path / f"v{kind}", {"x": np.array({"a": 1}, dtype=object)})
    features = store(FeatureFiles(path=tmp_path))
    with pytest.raises(MediaError, match=rf"v\{kind}"):
        features.read("v")


def test_objects_are_not_loaded_from_files_of_pytorch(tmp_path):
    torch.save({"x": object()}, tmp_path / "v.pt")
    with pytest.raises(MediaError, match=r"v\.pt: cannot be read as a file of tensors"):
        store(FeatureFiles(path=tmp_path)).rows("v")


def test_a_file_of_pytorch_must_hold_one_tensor(tmp_path):
    torch.save({"a": torch.zeros(2, 3), "b": torch.zeros(2, 3), "c": 1}, tmp_path / "v.pt")
    torch.save(torch.ones(2, 3, dtype=torch.bfloat16), tmp_path / "w.pt")
    features = store(FeatureFiles(path=tmp_path))
    with pytest.raises(MediaError, match="wanted one tensor, there are 2"):
        features.rows("v")
    assert features.read("w").tolist() == [[1, 1, 1]] * 2


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != ".csv"])
def test_a_file_that_is_cut_off_is_an_error_of_that_file(tmp_path, kind):
    path = write(tmp_path / f"v{kind}", {"x": numbers()})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(MediaError, match=rf"v\{kind}"):
        store(FeatureFiles(path=tmp_path)).read("v")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_nonsense_is_an_error_of_that_file(tmp_path, kind):
    (tmp_path / f"v{kind}").write_text("nonsense, not numbers\n")
    with pytest.raises(MediaError, match=rf"v\{kind}"):
        store(FeatureFiles(path=tmp_path)).rows("v")


def test_a_missing_file_is_named_with_its_video(folder):
    features = store(FeatureFiles(path=folder, suffix="_rgb.npy"))
    assert not features.has("w")
    with pytest.raises(MediaError, match=r"w_rgb\.npy: no features of the video w"):
        features.rows("w")


def test_missing_folders_and_other_files_are_refused_at_once(folder):
    with pytest.raises(MediaError, match="nowhere: there is no such folder or archive"):
        store(FeatureFiles(path=folder / "nowhere"))
    with pytest.raises(MediaError, match=r"v\.npy: neither a folder of features nor an archive"):
        store(FeatureFiles(path=folder / "v.npy"))
    with pytest.raises(ConfigError, match=r"'\.mat' is of no kind that is read"):
        store(FeatureFiles(path=folder, suffix=".mat"))


def test_an_array_of_another_width_than_the_first_is_refused(folder):
    write(folder / "w.npy", {"x": numbers(7, 5)})
    features = store(FeatureFiles(path=folder), videos=["nowhere", "v", "w"])
    assert features.channels == (C,)
    with pytest.raises(MediaError, match=r"w\.npy: 5 columns, but 4 of the video v$"):
        features.rows("w")


def test_arrays_that_look_transposed_are_said_to(folder):
    write(folder / "w.npy", {"x": numbers(T, 9)})  # C x T, as that of v would be
    write(folder / "x.npy", {"x": numbers(C, 9)})  # C x T beside one that is T x C
    features = store(FeatureFiles(path=folder), videos=["v"])
    for video in "wx":
        with pytest.raises(MediaError, match="looks transposed: set `transposed: true`"):
            features.rows(video)
    write(folder / "y.npy", {"x": numbers(9)})
    turned = store(FeatureFiles(path=folder, transposed=True), videos=["v"])
    with pytest.raises(MediaError, match="looks transposed: set `transposed: false`"):
        turned.rows("y")


def test_a_stated_width_must_be_true(folder):
    features = store(FeatureFiles(path=folder, channels=6))
    assert features.channels == (6,)
    with pytest.raises(MediaError, match="cells of 4 channels, wanted 6"):
        features.rows("v")


def test_nobody_knows_the_width_of_features_never_looked_at(folder):
    with pytest.raises(ValueError, match="no video was looked at"):
        _ = store(FeatureFiles(path=folder)).channels


@pytest.mark.parametrize("kind", [".npy", *ARCHIVES])
def test_a_store_can_be_sent_to_another_process(tmp_path, kind):
    path = write(tmp_path / f"v{kind}", {"v": numbers()})
    features = store(FeatureFiles(path=path if kind in ARCHIVES else tmp_path))
    features.read("v")
    sent = pickle.loads(pickle.dumps(features))
    np.testing.assert_array_equal(sent.read("v", 2), numbers()[2:])
    assert sent.channels == (C,)


def test_a_cell_of_a_mapped_file_costs_no_more_than_itself(folder):
    path = folder / "large.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(2**22, 64)).flush()
    with path.open("r+b") as file:  # 1 GiB that takes no room on disk, but for its last row
        file.seek(-64 * 4, 2)
        file.write(np.ones(64, np.float32).tobytes())
    assert store(FeatureFiles(path=folder)).read("large", 2**22 - 1).tolist() == [[1.0] * 64]


class Counted:
    """Reads arrays, and counts how often."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return np.zeros(10, np.uint8)


def test_arrays_used_last_are_kept_up_to_the_budget():
    cache, reads = Cache(25), {key: Counted() for key in "abc"}
    for key in "abacab":  # c takes the place of b, and then b that of c
        cache.array(key, reads[key])
    assert {key: read.count for key, read in reads.items()} == {"a": 1, "b": 2, "c": 1}


def test_an_array_above_the_budget_is_read_each_time():
    cache, read = Cache(9), Counted()
    for _ in range(3):
        assert len(cache.array("a", read)) == 10
    assert read.count == 3


@pytest.mark.parametrize(
    "settings",
    [
        {"every": 0},
        {"columns": (3, 3)},
        {"columns": (-1, 3)},
        {"channels": 0},
    ],
)
def test_settings_out_of_range_are_refused(tmp_path, settings):
    with pytest.raises(ValueError, match=f"^{next(iter(settings))}(:| must be)"):
        FeatureFiles(path=tmp_path, **settings)


def test_a_stack_of_no_rows_is_refused():
    with pytest.raises(ValueError, match="rows: wanted a number above 0, got 0"):
        Stack(rows=0, step=1)


@given(st.integers(1, 40), st.integers(1, 90), st.integers(0, 99))
def test_resizing_is_that_of_pytorch(rows, cells, seed):
    array = numbers(rows, 3, seed=seed)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(array.T)[None], size=cells, mode="linear", align_corners=False
    )[0].T
    np.testing.assert_allclose(resized(array, cells), wanted, rtol=0, atol=2e-5)  # without FMA


@given(st.integers(1, 40), st.integers(1, 90), st.floats(-9, 9, width=32))
def test_constant_features_stay_so_when_resized(rows, cells, value):
    read = resized(np.full((rows, 2), value, np.float32), cells)
    np.testing.assert_allclose(read, np.full((cells, 2), value), rtol=1e-6, atol=1e-30)


def test_resizing_to_as_many_cells_changes_nothing_and_copies():
    array = numbers()
    same = resized(array, T)
    np.testing.assert_array_equal(same, array)
    assert not np.shares_memory(same, array)
