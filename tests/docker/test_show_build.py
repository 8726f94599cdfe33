"""What the sessions print of a build of PyTorch."""

import show_build


def test_architectures_are_spelled_as_in_the_table():
    assert show_build.spelled("") == []
    assert show_build.spelled("sm_37 sm_50 sm_100 sm_90 compute_37") == ["37+PTX", "50", "90", "100"]
    assert show_build.spelled("sm_80 compute_90") == ["80", "90+PTX"]
