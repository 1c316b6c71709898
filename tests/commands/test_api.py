import numpy as np

from untrimmed import api


def test_the_verbs_are_functions_that_give_their_results(data, tmp_path):
    recipe, run = data / "recipe.yaml", tmp_path / "run"
    assert api.inspect(recipe).splits["training"].videos == 4
    assert api.prepare(recipe, kind="frames").made == 7
    assert 0 <= api.pretrain(recipe, run) <= 1
    trained = api.train(recipe, run)
    assert trained.failed == {}
    assert 0 <= trained.best_map <= 1
    scores = api.evaluate(run).scores
    assert np.isclose(scores.average, scores.mean_ap.mean())
    found = api.detect(run, [data / "videos" / "testing-000.mp4"], output=tmp_path / "found")
    detections = found.detections["testing-000"]
    assert (np.diff(detections.scores) <= 0).all()
    assert detections.segments_s.shape == (len(detections), 2)
