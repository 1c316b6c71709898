import pytest
import torch
from torch import nn

from untrimmed.nn.ops.precision import autocast, has_bf16, lowered

CPU = torch.device("cpu")


def test_bfloat16_is_computed_in_only_where_it_is_asked_for_and_of_use():
    layer, x = nn.Linear(8, 4), torch.randn(3, 8)
    for bf16 in (False, True):
        with autocast(CPU, bf16=bf16):
            expected = torch.bfloat16 if bf16 and has_bf16(CPU) else torch.float32
            assert layer(x).dtype == lowered(x).dtype == expected
    assert layer(x).dtype == torch.float32


@pytest.mark.skipif(
    torch.cpu.get_capabilities().get("architecture") != "x86_64", reason="other instructions"
)
def test_a_processor_without_avx512_has_no_instructions_for_bfloat16():
    assert has_bf16(CPU) == torch.cpu.get_capabilities()["avx512_bw"]


def test_a_gpu_is_taken_to_have_instructions_for_bfloat16():
    assert has_bf16(torch.device("cuda"))
