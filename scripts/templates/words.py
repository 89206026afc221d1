"""Words spelled right: on people's own models, and on the demo of signs."""

from __future__ import annotations

from dataclasses import replace

from . import kits
from .builder import Template
from .kits import Kit
from .outcomes import RUN, RUN_ZH, before_and_after, laid_out

READER = """
## The words spelled right

**Text Verifier** reads each image, and the search keeps the one in which the words are spelled right: those that the
prompt has in quotes, or those that you type into *text*. The tile of a candidate says what was read.
{run}
The reader is EasyOCR's. Its two files come as archives from
[EasyOCR's releases](https://github.com/JaidedAI/EasyOCR/releases): unpack *craft_mlt_25k.pth* and *english_g2.pth* into
models/verifiers.

Costs {budget} images of {steps} steps = {nfe} NFE (denoiser predictions).

Try: *target* -0.2 and a larger {number}: the search stops at the first image of which the reader is as sure as that.
"""
READER_ZH = """
## 字拼写正确

**文字验证器**读出每张图像里的字，搜索保留拼写正确的那张：提示词引号里的字，或你在*text*里写的字。候选的缩略图上写着读到了什么。
{run_zh}
读字用 EasyOCR 的权重，两个文件在它的[发布页](https://github.com/JaidedAI/EasyOCR/releases)里是压缩包：把
*craft_mlt_25k.pth* 和 *english_g2.pth* 解压到 models/verifiers。

成本：{budget} 张图像，每张 {steps} 步，共 {nfe} NFE。
"""


SIGNS_RUN = """
1. Put the reader's two files where it says below. The model comes with the pack, and runs without a GPU.
2. Press **Run**, and compare *With search* and *Without search*, the same seed alone.
"""
SIGNS_RUN_ZH = """
1. 先放好下面说的两个文件。小模型随扩展一起安装，不需要 GPU。
2. 按**运行**，比较*With search*（搜索）和*Without search*（同一种子，不搜索）。
"""


def right_words(name: str, kit: Kit, run: tuple[str, str], budget: int = 8, *, is_demo: bool = False) -> Template:
    facts = {"budget": budget, "nfe": budget * kit.steps, "run": run[0], "run_zh": run[1]}
    facts |= {"number": "*candidates*" if is_demo else "*budget*"}
    kind, number = ("RandomSearch", "candidates") if is_demo else ("AutoSearch", "budget")
    show = before_and_after if is_demo else None
    return laid_out(name, kit, READER, READER_ZH, kind, facts=facts, show=show, **{number: budget})


def templates() -> list[Template]:
    shop = 'a shop window at night, above it a neon sign that says "OPEN LATE", photograph'
    qwen = replace(kits.QWEN_IMAGE, prompt=shop, judge=kits.by_reading)
    return [
        right_words("right_words_qwen_image", qwen, (RUN, RUN_ZH)),
        right_words("demo_words", kits.SIGNS, (SIGNS_RUN, SIGNS_RUN_ZH), is_demo=True),
    ]
