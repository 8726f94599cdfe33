"""Where snippets lie, found from durations and lengths."""

import numpy as np
import pytest

from tad.data.recipe import Recipe
from tad.errors import UserError
from tad.planning.timing import Measured, infer_timing


def recordings(rng, count, fps, stride, window, digits=2, padded=False):
    """What an extractor would make of recordings of 20 to 300 s."""
    made = []
    for _ in range(count):
        rate = fps if np.isscalar(fps) else fps[rng.randint(len(fps))]
        frames = int(rng.uniform(20, 300) * rate)
        snippets = -(-frames // stride) if padded else (frames - window) // stride + 1
        made.append(Measured(snippets, round(frames / rate, digits), rate, 5.0))
    return made


@pytest.mark.parametrize("count, fps, stride, window", [
    (40, 50.0, 25, 50), (40, 25.0, 16, 16), (30, 30.0, 8, 16), (200, (25.0, 29.97), 8, 16), (30, 10.0, 1, 1),
    (20, 100.0, 50, 100), (200, 30.0, 4, 64)])
def test_stride_and_window_of_usual_extractors_are_found(rng, count, fps, stride, window):
    found = infer_timing(recordings(rng, count, fps, stride, window))
    assert (found.timing, found.stride, found.window) == ("auto", stride, window)
    assert found.fps == (fps if np.isscalar(fps) else None)
    assert found.step_s == pytest.approx(stride / np.median(fps), rel=0.1)


def test_padded_ends_do_not_make_a_window_of_one_frame(rng):
    found = infer_timing(recordings(rng, 40, 30.0, 16, 16, padded=True))
    assert (found.stride, found.window) == (16, 16) and any("padded" in why for why in found.why)


def test_whole_seconds_still_tell_the_stride(rng):
    found = infer_timing(recordings(rng, 60, 30.0, 16, 16, digits=0))
    assert found.stride == pytest.approx(16, abs=0.5)


def test_what_is_given_comes_first_then_the_recipe(rng):
    made = recordings(rng, 20, 30.0, 16, 16)
    recipe = Recipe(fps=25.0, stride=8.0, window=32.0)
    found = infer_timing(made, recipe)
    assert (found.timing, found.fps, found.stride, found.window) == ("fps", 25.0, 8.0, 32.0)
    assert any("not the rate that the features were made at" in why for why in found.why)
    assert infer_timing(made, recipe, stride=4.0, window=4.0).stride == 4.0
    given = infer_timing(made, None, 30.0, 16.0, 20.0)
    assert (given.fps, given.stride, given.window) == (30.0, 16.0, 20.0)
    assert infer_timing([item._replace(fps=25.0) for item in made], recipe).timing == "auto"


def test_rescaled_features_span_their_recordings(rng):
    made = [item._replace(snippets=100) for item in recordings(rng, 20, 30.0, 16, 16)]
    found = infer_timing(made)
    assert (found.timing, found.fps, found.same_length) == ("even", None, True)
    found = infer_timing([item._replace(fps=None) for item in made])
    assert (found.timing, found.fps, found.same_length) == ("auto", None, True)


def test_without_a_rate_a_snippet_is_a_step_of_the_duration(rng):
    made = [item._replace(fps=None) for item in recordings(rng, 20, 10.0, 5, 5)]
    assert infer_timing(made).fps is None
    found = infer_timing([made[0]._replace(duration_s=None)] + made[1:])
    assert found.fps == pytest.approx(2.0, rel=0.03) and (found.stride, found.window) == (1, 1)


def test_without_durations_the_actions_must_fit_into_the_features():
    made = [Measured(100, None, 25.0, 3.0), Measured(80, None, 25.0, 2.5)]
    assert infer_timing(made).stride == 1
    with pytest.raises(UserError, match=r"--stride \(8 or more\)"):
        infer_timing([item._replace(last_end_s=item.snippets * 8 / 25.0) for item in made])


@pytest.mark.parametrize("durations, rates, options, words", [
    ((None, None), (None, None), {}, "neither 'duration' nor 'fps'.*--fps"),
    ((5.0, 6.0), (None, 25.0), {}, "some recordings have 'fps'"),
    ((5.0, 6.0), (None, None), {"stride": 4.0}, "give --fps too"),
])
def test_what_nothing_tells_is_asked_for(durations, rates, options, words):
    made = [Measured(50, duration, rate, 3.0) for duration, rate in zip(durations, rates)]
    with pytest.raises(UserError, match=words):
        infer_timing(made, **options)
