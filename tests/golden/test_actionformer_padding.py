"""How far the authors' code pads a video at inference, for their published configurations."""

from untrimmed.recipes.recipe import read_recipe

PRESETS = {
    "thumos_i3d": "actionformer_thumos14_i3d",
    "anet_tsp": "actionformer_activitynet13_tsp",
    "epic_slowfast_verb": "actionformer_epic_kitchens_verb",
    "ego4d_slowfast": "actionformer_ego4d_slowfast",
    "ego4d_omnivore": "actionformer_ego4d_omnivore",
}


def test_videos_are_padded_as_far_as_the_authors_pad_them(golden):
    cases = golden("actionformer/data/padding.json")
    for case in cases:
        recipe = read_recipe(PRESETS[case["config"]])
        assert recipe.data.cells == case["max_seq_len"]
        padded = recipe.model.padded(case["length"], cells=recipe.data.cells)
        assert padded == case["padded"], case
    assert len(cases) > 20
