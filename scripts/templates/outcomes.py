"""The templates that ComfyUI lists: named as what comes of them, Auto Search first, each readable at first sight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import files, kits
from .builder import BOARD, Node, Out, Template
from .kits import Kit, Loaded
from .parts import Start, decoded, empty, ksampler

LOADERS, SEARCH, SAMPLER, RESULT = 300, 340, 290, 460
FIRST, SECOND = 370, 330  # of two columns of results
Latent = Callable[[Template, Loaded], Out]

RUN = """
1. Press **Download** where ComfyUI offers the missing files, and put them where the list below says.
2. Press **Run**. The board on the search node shows the candidates as they come; **Keep best** ends it there.
"""
RUN_ZH = """
1. ComfyUI 提示缺少文件时按**下载**，放到下面列出的文件夹。
2. 按**运行**。搜索节点上的看板显示候选；**保留最好**可以提前结束。
"""
DEMO_RUN = """
1. Press **Run**. Nothing has to be downloaded: the tiny model comes with the pack, and runs without a GPU.
2. Compare *With search* and *Without search*, the same seed alone.
"""
DEMO_RUN_ZH = """
1. 按**运行**。无需下载：小模型随扩展一起安装，不需要 GPU。
2. 比较*With search*（搜索）和*Without search*（同一种子，不搜索）。
"""

BETTER = """
## A better image for the same prompt

**Auto Search** makes the sampler after it try several noises, and keeps the image that the verifier likes best:
half of the
budget for many starts, half for refining the best.
{run}
Costs {budget} images of {steps} steps = {nfe} NFE (denoiser predictions). Bypass it (Ctrl+B), and you have plain
text to
image.

Try: more *budget*; **Random Search** in its place, if the winner shall be a plain seed. {more}
"""
BETTER_ZH = """
## 同一提示词，更好的图像

**自动搜索**让后面的采样器试多个噪波，保留验证器最喜欢的图像：一半预算用于许多起点，一半用于改进最好的。
{run_zh}
成本：{budget} 张图像，每张 {steps} 步，共 {nfe} NFE。绕过它（Ctrl+B）就是普通的文生图。
"""


def laid_out(
    name: str,
    kit: Kit,
    note: str,
    zh: str,
    kind: str = "AutoSearch",
    *,
    latent: Latent | None = None,
    sampler: dict[str, Any] | None = None,
    show: Callable[[Template, Start, Node, Node], None] | None = None,
    facts: dict[str, Any] | None = None,
    **settings: Any,
) -> Template:
    """Loaders, the search with room for its board, conditioning and sampler, the result. The main line goes from the
    sampler to the picture past nothing that could be bypassed.

    latent: what is sampled, else an empty one. show: more nodes, below the result.
    """
    t = Template(name, note, zh, **{"steps": kit.steps} | (facts or {}))
    t.column(LOADERS)
    loaded = kit.load(t)
    judge = kit.judge(t, loaded)
    given = latent(t, loaded) if latent else None
    t.column(SEARCH)
    search = t.node(kind, room=BOARD, model=loaded.model, vae=loaded.vae, verifier=judge, **settings)
    t.column(SAMPLER)
    start = conditioned(t, kit, loaded, judge)
    sampled = ksampler(t, start, search["model"], given or empty(t, kit), **(sampler or {}))
    t.column(FIRST if show in (before_and_after, replayed) else RESULT)
    (show or saved)(t, start, search, sampled)
    return t


def conditioned(t: Template, kit: Kit, loaded: Loaded, judge: Out) -> Start:
    positive = t.node("CLIPTextEncode", "Positive", tall=140, clip=loaded.clip, text=kit.prompt)["CONDITIONING"]
    if kit.negative is None:
        negative = t.node("ConditioningZeroOut", "No negative", conditioning=positive)["CONDITIONING"]
    else:
        negative = t.node("CLIPTextEncode", "Negative", tall=90, clip=loaded.clip, text=kit.negative)["CONDITIONING"]
    return Start(kit, loaded, judge, positive, positive, negative)


def saved(t: Template, start: Start, search: Node, sampled: Node) -> None:
    images = decoded(t, start, sampled["LATENT"])
    t.node("SaveImage", "Best", tall=500, images=images, filename_prefix="noise_search")


def before_and_after(t: Template, start: Start, search: Node, sampled: Node) -> None:
    """The demo: beside the search the same sampler without one."""
    latent = Out(sampled.links["latent_image"].node, "LATENT")
    seed = {"seed": sampled.settings["seed"]}
    found = decoded(t, start, sampled["LATENT"])
    t.node("SaveImage", "With search", tall=380, images=found, filename_prefix="noise_search")
    t.column(SECOND)
    without = ksampler(t, start, start.loaded.model, latent, "KSampler, without search", **seed)
    plain = decoded(t, start, without["LATENT"])
    t.node("PreviewImage", "Without search", tall=380, images=plain)


def better(name: str, kit: Kit, more: str = "", budget: int = 8) -> Template:
    facts = {"budget": budget, "nfe": budget * kit.steps, "more": more, "run": RUN, "run_zh": RUN_ZH}
    return laid_out(name, kit, BETTER, BETTER_ZH, facts=facts, budget=budget)


def better_demo(budget: int = 8) -> Template:
    more = (
        f"Another caption in *Positive*, of up to three groups of shapes. *{kits.FAILS}* ends wrong with these "
        "settings: the verifier likes a wrong picture best. So it looks when a verifier does not see what you want."
    )
    facts = {"budget": budget, "nfe": budget * kits.DEMO.steps, "more": more, "run": DEMO_RUN, "run_zh": DEMO_RUN_ZH}
    return laid_out(
        "better_image_demo", kits.DEMO, BETTER, BETTER_ZH, facts=facts, show=before_and_after, budget=budget
    )


REFINE = """
## Refine an image you like

**Zero-Order Search** begins with the noise of the sampler's seed, tries noises near it and moves to the best one:
the image
stays much the same and gets better by the verifier.
{run}
Type the seed of an image you like into the KSampler, with the prompt, model and settings of that image.

Costs (1 + {iterations} x {neighbors}) x {steps} = {nfe} NFE (denoiser predictions).

Try: *cosine* nearer to 1 for smaller changes; more *iterations*. The result has a recipe and no plain seed:
**Replay Noise**
makes it again.
"""
REFINE_ZH = """
## 改进一张你喜欢的图像

**零阶搜索**从采样器种子的噪波出发，试附近的噪波，更好就移过去：图像基本不变，按验证器变得更好。
{run_zh}
把你喜欢的图像的种子填进 K采样器，提示词、模型和设置与那张相同。成本：{nfe} NFE。
"""


def refine(name: str, kit: Kit, iterations: int, neighbors: int, **more: Any) -> Template:
    facts = {"iterations": iterations, "neighbors": neighbors, "nfe": (1 + iterations * neighbors) * kit.steps}
    facts |= {"run": DEMO_RUN, "run_zh": DEMO_RUN_ZH} if kit.enlarge else {"run": RUN, "run_zh": RUN_ZH}
    settings = {"iterations": iterations, "neighbors": neighbors, "cosine": 0.95}
    return laid_out(name, kit, REFINE, REFINE_ZH, "ZeroOrderSearch", facts=facts, **settings, **more)


PATHS = """
## Search on the way from noise to image

**Path Search** keeps the {paths} best images of each turn, noises each again and goes on: it searches where the
composition is
still open (*levels: early*).
{run}
Costs about {images} images of {steps} steps = {nfe} NFE (denoiser predictions).

Try: *levels: late*, as in the paper, which changes details and costs more than twice as much.
"""
PATHS_ZH = """
## 在从噪波到图像的途中搜索

**路径搜索**每一轮保留最好的 {paths} 张，重新加噪再继续：在构图还没有定的地方搜索（*levels: early*）。
{run_zh}
成本：约 {images} 张图像，共 {nfe} NFE。
"""


def on_the_way() -> Template:
    kit, images = kits.SDXL, 5.4
    facts = {"paths": 2, "images": images, "nfe": round(images * kit.steps), "run": RUN, "run_zh": RUN_ZH}
    settings = {"paths": 2, "branches": 2, "levels": "early"}
    return laid_out("search_on_the_way_sdxl", kit, PATHS, PATHS_ZH, "PathSearch", facts=facts, **settings)


LIKENESS = """
## Keep this face, product or style

**Reference Verifier** judges how much an image is like yours, **CLIP Score** whether it still fits the prompt;
**Ensemble
Verifier** counts both.

1. Choose your image in **Load Image**.
2. Press **Download** for missing files, and **Run**.

Costs {budget} images of {steps} steps = {nfe} NFE (denoiser predictions).

Try: several images through *Batch Images* as references; *weights* of the ensemble, such as *2, 1*.
"""
LIKENESS_ZH = """
## 保持这张脸、产品或风格

**参考验证器**评判与你的图像有多像，**CLIP 评分**评判是否仍符合提示词；**集成验证器**两者都算。

1. 在**加载图像**中选择你的图像。
2. 下载缺少的文件，按**运行**。

成本：{budget} 张图像，共 {nfe} NFE。
"""


def by_likeness(t: Template, loaded: Loaded) -> Out:
    picture = t.node("LoadImage", "Your image", tall=300, image="example.png")["IMAGE"]
    like = t.node("ReferenceVerifier", models=(files.DINO,), model=files.DINO.name, references=picture)["verifier"]
    fits = t.node("CLIPScoreVerifier", models=(files.CLIP_SCORE,), model=files.CLIP_SCORE.name)["verifier"]
    return t.node("EnsembleVerifier", **{"verifiers.verifier0": like, "verifiers.verifier1": fits})["verifier"]


SEVERAL = """
## Several judges at once

A search pleases its judge, whatever the judge does not see. Here **ImageReward** and **CLIP Score** both count, by
rank;
**PickScore** is *held out*: asked and reported, and without a say. When the scores rise and the held-out one does
not, the search
only pleases its judges.
{run}
Costs {budget} images of {steps} steps = {nfe} NFE (denoiser predictions), and each verifier looks at every image.
"""
SEVERAL_ZH = """
## 同时用几个评委

搜索只会讨好评委看得见的东西。这里 **ImageReward** 和 **CLIP 评分**按排名一起计分；**PickScore** 只旁观：
给分、写入报告，但不计分。
{run_zh}
成本：{budget} 张图像，共 {nfe} NFE。
"""


def by_several(t: Template, loaded: Loaded) -> Out:
    taste = kits.by_image_reward(t, loaded)
    fits = t.node("CLIPScoreVerifier", models=(files.CLIP_SCORE,), model=files.CLIP_SCORE.name)["verifier"]
    pick = t.node("PickScoreVerifier", "PickScore, held out", models=(files.PICKSCORE,), model=files.PICKSCORE.name)
    both = {"verifiers.verifier0": taste, "verifiers.verifier1": fits}
    return t.node("EnsembleVerifier", **both, held_out=pick["verifier"])["verifier"]


COUNTS = """
## The right count, the right hands

**VLM Verifier** asks a vision-language model a question about each image, and takes its probability of *yes*. It
sees counts,
positions and hands that smaller judges miss. The question is yours to write.
{run}
Costs {budget} images of {steps} steps = {nfe} NFE (denoiser predictions), and one answer for each image.
"""
COUNTS_ZH = """
## 数量对，手也对

**VLM 验证器**就每张图像问视觉语言模型一个问题，取它回答“是”的概率。它看得见小评委看不见的数量、位置和手。
问题由你来写。
{run_zh}
成本：{budget} 张图像，共 {nfe} NFE，每张图像回答一次。
"""
HANDS = "Does the image show {}, each thing in the right number, and five fingers on each hand?"


def by_question(t: Template, loaded: Loaded) -> Out:
    clip = t.node("CLIPLoader", models=(files.QWEN3_VL,), clip_name=files.QWEN3_VL.name, type="krea2")["CLIP"]
    asked = {"ask": "probability of yes", "question": HANDS}
    return t.node("VLMVerifier", tall=230, clip=clip, **asked)["verifier"]


FROM_IMAGE = """
## Image to image, the best of several

Your image is the beginning; **Auto Search** tries several noises on it. Nothing else than in your own workflow.

1. Choose your image in **Load Image**, and say in *Positive* what it should become.
2. Press **Download** for missing files, and **Run**.

Costs {budget} images at *denoise* 0.6 = {nfe} NFE (denoiser predictions).

Try: less *denoise* to keep more of your image.
"""
FROM_IMAGE_ZH = """
## 图生图，取最好的一张

从你的图像开始；**自动搜索**在它上面试多个噪波。

1. 在**加载图像**中选择图像，在 *Positive* 中写它应变成什么。
2. 下载缺少的文件，按**运行**。

成本：{budget} 张图像，降噪 0.6，共 {nfe} NFE。
"""


def your_image(t: Template, loaded: Loaded) -> Out:
    picture = t.node("LoadImage", "Your image", tall=320, image="example.png")["IMAGE"]
    return t.node("VAEEncode", pixels=picture, vae=loaded.vae)["LATENT"]


INPAINT = """
## Inpaint, the best of several

Only the masked part is drawn anew, from several noises; the verifier judges the whole image each time.

1. Choose your image in **Load Image**; right-click, *Open in MaskEditor*, paint over what should change.
2. *Positive* says what the whole image should show.
3. Press **Download** for missing files, and **Run**.

Costs {budget} images of {steps} steps = {nfe} NFE (denoiser predictions).

Try: lower *denoise* to keep more of what was there.
"""
INPAINT_ZH = """
## 局部重绘，取最好的一张

只有遮罩部分会用多个噪波重画；验证器每次评判整张图像。

1. 在**加载图像**中选择图像，右键“在遮罩编辑器中打开”，涂抹要改变的部分。
2. *Positive* 写整张图像应有的内容。
3. 按**运行**。

成本：{budget} 张图像，共 {nfe} NFE。
"""


def masked(t: Template, loaded: Loaded) -> Out:
    picture = t.node("LoadImage", "Your image and mask", tall=320, image="example.png")
    latent = t.node("VAEEncode", pixels=picture["IMAGE"], vae=loaded.vae)["LATENT"]
    return t.node("SetLatentNoiseMask", samples=latent, mask=picture["MASK"])["LATENT"]


BATCH = """
## Four winners at once

The latent is a batch of 4. Each image of it is a search of its own, side by side: 4 different winners.
{run}
Costs 4 x {budget} images of {steps} steps = {nfe} NFE (denoiser predictions).

*parallel* of the search node is something else: how many candidates share a call on your GPU. It never changes the
images.
"""
BATCH_ZH = """
## 一次四个胜者

Latent 的批量大小是 4。每张图像各自搜索：得到 4 个不同的胜者。
{run_zh}
成本：4 × {budget} 张图像，共 {nfe} NFE。搜索节点的“并行数”是另一回事：它只影响速度，不影响图像。
"""

STEPS = """
## Steps where they are needed

**Step Scheduler** in mode *adaptive* runs a pilot on your model and prompt, and puts steps where one makes the
largest error. The
KSampler's own steps and scheduler are then ignored.
{run}
*Plan* says how many steps it takes. Costs the pilot once, and {budget} images of that many steps each.

Try: a lower *tolerance* for more steps. *cfg* of Step Scheduler is that of the KSampler: change both.
"""
STEPS_ZH = """
## 把步数用在需要的地方

**步数调度器**的 *adaptive* 模式先用你的模型和提示词试跑，再把步数放在误差最大的地方。
K采样器自己的步数和调度器不再起作用。
{run_zh}
*Plan* 显示需要多少步。成本：试跑一次，加 {budget} 张图像。
"""


def steps(name: str, kit: Kit, budget: int, tolerance: float) -> Template:
    t = Template(name, STEPS, STEPS_ZH, budget=budget, run=RUN, run_zh=RUN_ZH)
    t.column(LOADERS)
    loaded = kit.load(t)
    judge = kit.judge(t, loaded)
    t.column(SAMPLER)
    start = conditioned(t, kit, loaded, judge)
    latent = empty(t, kit)
    adaptive = {"positive": start.positive, "negative": start.negative, "cfg": kit.sampler["cfg"], "latent": latent}
    given = {"mode": "adaptive", "mode.tolerance": tolerance} | {f"mode.{key}": one for key, one in adaptive.items()}
    scheduler = t.node("StepScheduler", room=80, model=loaded.model, scheduler=kit.sampler["scheduler"], **given)
    t.column(SEARCH)
    search = t.node("AutoSearch", room=BOARD, model=scheduler["model"], vae=loaded.vae, verifier=judge, budget=budget)
    t.column(SAMPLER)
    sampled = ksampler(t, start, search["model"], latent, "KSampler (steps ignored)")
    t.node("PreviewAny", "Plan", tall=160, source=scheduler["plan"])
    t.node("PreviewImage", "Schedule", tall=240, images=scheduler["plot"])
    t.column(FIRST)
    saved(t, start, search, sampled)
    return t


REPLAY = """
## The winner again, from its recipe

**Search Report** gives the winner's **recipe**, a line of text with the few numbers that remake its noise.
**Replay Noise** makes
the image again from that line, without a search.
{run}
*Found* and *Replayed* are the same image. The PNG carries the recipe too: drag it into ComfyUI and look below the
search node.

Costs {budget} images of {steps} steps = {nfe} NFE (denoiser predictions) for the search, and {steps} for the replay.
"""
REPLAY_ZH = """
## 用配方再次得到胜者

**搜索报告**给出胜者的**配方**：一行文字，几个数就能重现它的噪波。**重放噪波**用它再次生成图像，不用搜索。
{run_zh}
*Found* 和 *Replayed* 是同一张图像。PNG 里也有配方。成本：{nfe} NFE，重放 {steps}。
"""


def replayed(t: Template, start: Start, search: Node, sampled: Node) -> None:
    latent = Out(sampled.links["latent_image"].node, "LATENT")
    found = decoded(t, start, sampled["LATENT"])
    t.node("SaveImage", "Found", tall=360, images=found, filename_prefix="noise_search")
    report = t.node("SearchReport", latent=sampled["LATENT"], search=search["search"])
    again = t.node("ReplayNoise", model=start.loaded.model, recipe=report["recipe"])
    t.column(SECOND)
    remade = ksampler(t, start, again["model"], latent, "KSampler (its seed is ignored)")
    t.node("PreviewImage", "Replayed", tall=360, images=decoded(t, start, remade["LATENT"]))


VIDEO = """
## The best of several videos

Each candidate is a whole video. **ImageReward** looks at 8 of its frames (*frames*, among the advanced inputs), and
the **worst**
counts; **Video Motion Verifier** looks at all of them: no flicker, no jumps, not a still. Both count, by rank.
{run}
Costs {budget} videos of {steps} steps = {nfe} NFE (denoiser predictions): as long as {budget} videos.
"""
VIDEO_ZH = """
## 几个视频中最好的

每个候选是一整段视频。**ImageReward** 看其中 8 帧（高级输入 *frames*），按**最差帧**计分；**视频运动验证器**看
所有帧：不闪烁、不跳动、不静止。两者按排名一起计分。
{run_zh}
成本：{budget} 段视频，共 {nfe} NFE。
"""


def by_frames_and_motion(t: Template, loaded: Loaded) -> Out:
    worst = t.node("WorstFrame", verifier=kits.by_image_reward(t, loaded))["verifier"]
    moves = t.node("VideoMotionVerifier")["verifier"]
    return t.node("EnsembleVerifier", **{"verifiers.verifier0": worst, "verifiers.verifier1": moves})["verifier"]


def filmed(t: Template, start: Start, search: Node, sampled: Node) -> None:
    images = t.node("VAEDecode", samples=sampled["LATENT"], vae=start.loaded.vae)["IMAGE"]
    video = t.node("CreateVideo", images=images, fps=16.0)["VIDEO"]
    t.node("SaveVideo", "Best", tall=420, video=video, filename_prefix="video/noise_search")


HIRES = """
## Hires fix: the best seed of both passes

What lies between **Search Loop Open** and **Search Loop Close** runs once for each candidate: a sampler, an
upscale, a second
sampler at {size} x {size}, and the score of what comes of it.
{run}
Costs {candidates} candidates of {steps} + {second} steps. Scores are kept on disk: with more *candidates* only the
new ones run.

Try: other nodes in between, an upscaler, a face repair, a node of another pack.
"""
HIRES_ZH = """
## 高清修复：两遍都最好的种子

**搜索循环开始**和**搜索循环结束**之间的节点对每个候选各运行一次：采样、放大、以 {size} x {size} 再采样、评分。
{run_zh}
成本：{candidates} 个候选，每个 {steps} + {second} 步。分数保存在磁盘上：候选更多时只运行新的。
"""


def hires(name: str, kit: Kit, candidates: int, scale: float) -> Template:
    run = {"run": DEMO_RUN, "run_zh": DEMO_RUN_ZH} if kit.enlarge else {"run": RUN, "run_zh": RUN_ZH}
    facts = {"candidates": candidates, "steps": kit.steps, "second": kit.steps // 2, "size": round(kit.size * scale)}
    t = Template(name, HIRES, HIRES_ZH, **facts, **run)
    t.column(LOADERS)
    loaded = kit.load(t)
    judge = kit.judge(t, loaded)
    start = conditioned(t, kit, loaded, judge)
    latent = empty(t, kit)
    t.column(SAMPLER)
    opened = t.node("SearchLoopOpen", seed=0, run_outputs=False)
    first = ksampler(t, start, loaded.model, latent, "First pass", seed=opened["seed"])
    larger = t.node("LatentUpscaleBy", samples=first["LATENT"], upscale_method="bicubic", scale_by=scale)["LATENT"]
    t.column(SAMPLER)
    second = {"steps": kit.steps, "denoise": 0.5, "seed": opened["seed"]}
    refined = ksampler(t, start, loaded.model, larger, "Second pass", **second)
    image = t.node("VAEDecode", samples=refined["LATENT"], vae=loaded.vae)["IMAGE"]
    scores = t.node("VerifierScore", tall=160, images=image, verifier=judge, prompt=kit.prompt)["scores"]
    t.column(SEARCH)
    given = {"method": "random", "method.candidates": candidates}
    close = t.node("SearchLoopClose", room=BOARD, flow=opened["flow"], score=scores, result=image, **given)
    t.column(FIRST)
    best, plain = close["result"], image
    if kit.enlarge:
        best, plain = (_enlarged(t, found) for found in (best, plain))
    t.node("SaveImage", "With search", tall=380, images=best, filename_prefix="noise_search")
    t.node("PreviewImage", "Without search", tall=380, images=plain)
    return t


def _enlarged(t: Template, images: Out) -> Out:
    how = {"upscale_method": "nearest-exact", "scale_by": 4.0}
    return t.node("ImageScaleBy", "4 x, to see it", image=images, **how)["IMAGE"]


EXISTING = """
## Judge images that you have

No sampler, no search: **Verifier Score** scores the images of a list and gives the best one. What was made
anywhere can be
judged.

1. Choose your images; say in *prompt* of Verifier Score what they should show.
2. Press **Download** for a missing file, and **Run**.

Costs one look at each of the 3 images.

Try: more inputs of *Create List*; an **Ensemble Verifier**.
"""
EXISTING_ZH = """
## 评判你已有的图像

没有采样，没有搜索：**验证器评分**给列表中的图像打分，并给出最好的一张。

1. 选择图像；在验证器评分的提示词中写它们应有的内容。
2. 下载缺少的文件，按**运行**。

成本：3 张图像，各看一次。
"""


def existing() -> Template:
    t = Template("judge_images_you_have", EXISTING, EXISTING_ZH)
    t.column(LOADERS)
    pictures = [t.node("LoadImage", f"Image {number}", tall=280, image="example.png")["IMAGE"] for number in (1, 2, 3)]
    t.column(SEARCH)
    listed = t.node("CreateList", **{f"inputs.input{at}": one for at, one in enumerate(pictures)})["list"]
    judge = kits.by_image_reward(t, Loaded(listed, listed, listed))
    prompt = "a drawing of a girl with yellow hair"
    scored = t.node("VerifierScore", tall=200, images=listed, verifier=judge, prompt=prompt)
    t.node("PreviewAny", "Scores, in order", tall=140, source=scored["scores"])
    t.column(RESULT)
    t.node("PreviewImage", "Best", tall=420, images=scored["best_image"])
    return t


def templates() -> list[Template]:
    sdxl, sd15 = kits.SDXL, kits.SD15
    auto = {"budget": 8}
    run = {"run": RUN, "run_zh": RUN_ZH}

    def facts(kit: Kit, budget: int = 8, times: float = 1) -> dict[str, Any]:
        return {"budget": budget, "nfe": round(budget * kit.steps * times)} | run

    photo = replace(sd15, prompt="a drawing of a girl with yellow hair who holds a red balloon")
    portrait = replace(sdxl, prompt="portrait of a girl with yellow hair in a garden, photograph", judge=by_likeness)
    hands = replace(sdxl, prompt="two children play the piano, four hands on the keys, photograph", judge=by_question)
    return [
        better_demo(),
        refine("refine_an_image_demo", kits.DEMO, 5, 4, sampler={"seed": 2}, show=before_and_after),
        hires("hires_fix_demo", replace(kits.DEMO, prompt=kits.HIRES), 8, 1.5),
        better("better_image_sd15", sd15),
        better("better_image_sdxl", sdxl),
        better("better_image_flux", kits.FLUX, "*weight_dtype: fp8_e4m3fn* in the loader halves the memory."),
        better("better_image_z_image", kits.Z_IMAGE, "Images of a turbo model differ little from seed to seed."),
        better("better_image_qwen_image", kits.QWEN_IMAGE, "4 steps by the Lightning LoRA make a search cheap."),
        better("better_image_krea2", kits.KREA2, "The judge is Krea 2's own text encoder: no further file is needed."),
        refine("refine_an_image_sdxl", sdxl, 4, 4),
        on_the_way(),
        laid_out("keep_a_face_or_style_sdxl", portrait, LIKENESS, LIKENESS_ZH, facts=facts(sdxl), **auto),
        laid_out("right_count_and_hands_sdxl", hands, COUNTS, COUNTS_ZH, facts=facts(sdxl), **auto),
        laid_out(
            "several_judges_sdxl", replace(sdxl, judge=by_several), SEVERAL, SEVERAL_ZH, facts=facts(sdxl), **auto
        ),
        laid_out(
            "image_to_image_sdxl",
            sdxl,
            FROM_IMAGE,
            FROM_IMAGE_ZH,
            latent=your_image,
            sampler={"denoise": 0.6},
            facts=facts(sdxl),
            **auto,
        ),
        laid_out(
            "inpaint_sd15",
            photo,
            INPAINT,
            INPAINT_ZH,
            latent=masked,
            sampler={"denoise": 0.9},
            facts=facts(sd15),
            **auto,
        ),
        laid_out(
            "four_winners_sd15",
            sd15,
            BATCH,
            BATCH_ZH,
            latent=lambda t, _: empty(t, sd15, 4),
            facts=facts(sd15, times=4),
            **auto,
        ),
        hires("hires_fix_sd15", sd15, 8, 1.5),
        steps("steps_where_needed_sdxl", sdxl, 8, 0.05),
        laid_out("winner_again_sd15", sd15, REPLAY, REPLAY_ZH, facts=facts(sd15), show=replayed, **auto),
        laid_out(
            "video_wan",
            replace(kits.WAN, judge=by_frames_and_motion),
            VIDEO,
            VIDEO_ZH,
            facts=facts(kits.WAN, 4),
            show=filmed,
            budget=4,
        ),
        existing(),
    ]
