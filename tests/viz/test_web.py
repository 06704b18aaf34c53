"""The page works in a real browser: offline, by mouse and by keyboard, whatever the names are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tests.viz.networks import residual_loss
from tinygrad_cnn import models, nn, viz
from tinygrad_cnn.viz.looks import overlay

pytest.importorskip("graphviz")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)
HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"

# Runs in the page, after its own script; what it puts into `seen` comes back.
PROBE = """
<script>
const seen = {};
const press = (key, on = document.body) =>
  on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const shown = () =>
  [...document.querySelectorAll("#stage g.node")].filter((g) => /^n\\d+$/.test(g.id));
const title = () => document.querySelector("#details h2").textContent;
const fills = () => shown().map((g) => g.querySelector(".face")?.getAttribute("fill"));
const type = (words) => {
  const box = document.getElementById("search");
  box.value = words;
  box.dispatchEvent(new Event("input"));
};
{ PROBES }
const result = document.createElement("pre");
result.id = "seen";
result.textContent = JSON.stringify(seen);
document.body.append(result);
</script></body>
"""


def browse(folder: Path, html: str, probes: str) -> dict[str, Any]:
    """What `probes` saw in the page; any complaint of the page's own in the console fails."""
    if BROWSER is None:
        pytest.skip(f"needs one of {', '.join(BROWSERS)}")
    file = folder / "page.html"
    probe = PROBE.replace("PROBES", probes)
    file.write_text(html.replace("</body>", probe), encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1200,800"]
    done = subprocess.run([*command, file.as_uri()], capture_output=True, timeout=120, check=True)
    complaints = re.findall(r'CONSOLE.*?\] "(.*)"', done.stderr.decode(errors="replace"))
    assert not complaints
    (seen,) = re.findall(r'<pre id="seen">(.*?)</pre>', done.stdout.decode(), flags=re.DOTALL)
    found: dict[str, Any] = json.loads(unescape(seen))
    return found


def page_data(html: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    data: dict[str, Any] = json.loads(text)
    return data


def test_every_depth_and_view_is_in_the_page_and_nothing_from_outside() -> None:
    html = viz.graph(residual_loss()[1], depth=1).to_html()
    data = page_data(html)
    assert data["start"] == {"depth": 1, "view": "forward", "overlay": ""}
    assert [d["name"] for d in data["depths"]] == ["0", "1", "full"]
    assert data["views"] == ["forward", "both"]
    assert set(data["pictures"]) == {f"{d}-{v}" for d in (0, 1, 2) for v in ("forward", "both")}
    addresses = set(re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)', html))
    assert not addresses
    assert "default-src 'none'" in html


def test_the_page_of_resnet20_is_small_besides_its_pictures() -> None:
    model = models.resnet20()
    with viz.record() as measured:
        y = tg.sum(model(tg.Tensor(np.zeros((2, 3, 32, 32), np.float32))))
        y.backward(retain_graph=True)
    html = viz.graph(y, model=model, record=measured, fold="none").to_html()
    pictures = sum(map(len, re.findall(r"<template.*?</template>", html, flags=re.DOTALL)))
    assert len(html) - pictures < 300_000


def test_depth_view_search_overlay_steps_and_keys_work_in_a_browser(tmp_path: Path) -> None:
    model, _ = residual_loss()
    with viz.record() as measured:
        loss = tg.sum(model(tg.Tensor(np.ones((2, 1, 6, 6), np.float32))))
        loss.backward(retain_graph=True)
    html = viz.graph(loss, model=model, record=measured, depth=1, title="small").to_html()
    seen = browse(
        tmp_path,
        html,
        """
        seen.title = document.title;
        seen.start = shown().length;
        document.querySelector('[data-depth="2"]').click();
        seen.full = shown().length;
        press("1");
        seen.again = shown().length;
        seen.pressed = document.querySelector('[data-depth="1"]').getAttribute("aria-pressed");
        document.querySelector('[data-view="both"]').click();
        seen.both = shown().length;
        document.querySelector('[data-view="forward"]').click();

        document.querySelector('[data-depth="2"]').click();
        const rows = () => [...document.querySelectorAll("#stage g.row")];
        seen.rows = rows().map((row) => nodes[Number(row.id.slice(1))].id);
        const row = rows()[0];
        row.dispatchEvent(new MouseEvent("click", { bubbles: true }));
        seen.row = [title(), row.querySelector("title").textContent];
        row.focus();
        seen.rowFocused = document.activeElement === row;
        at("overlay").value = "grad_norm";
        at("overlay").dispatchEvent(new Event("change"));
        seen.shades = rows().map((r) => r.querySelector(".face").getAttribute("fill"));
        at("overlay").value = "";
        at("overlay").dispatchEvent(new Event("change"));
        type("head.bias");
        seen.foundRow = document.getElementById("found").textContent;
        const bright = shown().filter((g) => !g.classList.contains("dim"));
        seen.bright = bright.map((g) => nodes[Number(g.id.slice(1))].name);
        press("1");

        type("layers.2");
        seen.found = document.getElementById("found").textContent;
        press("Enter", document.getElementById("search"));
        seen.hit = title();
        seen.dim = shown().filter((g) => g.classList.contains("dim")).length;
        type("");

        const plain = fills();
        const overlay = document.getElementById("overlay");
        seen.overlays = [...overlay.options].map((o) => o.value);
        overlay.value = "flops";
        overlay.dispatchEvent(new Event("change"));
        seen.recoloured = JSON.stringify(fills()) !== JSON.stringify(plain);
        seen.scale = document.querySelectorAll("#scale span").length;
        overlay.value = "";
        overlay.dispatchEvent(new Event("change"));
        seen.restored = JSON.stringify(fills()) === JSON.stringify(plain);

        press("ArrowRight");
        seen.first = title();
        press("ArrowRight");
        seen.second = title();
        press("ArrowLeft");
        seen.back = title();
        seen.step = document.getElementById("step").textContent;
        press(" ");
        seen.playing = document.getElementById("play").getAttribute("aria-pressed");
        press(" ");
        seen.stopped = document.getElementById("play").getAttribute("aria-pressed");

        const box = shown().at(-1);
        box.focus();
        seen.focused = document.activeElement === box;
        press("Enter", box);
        seen.entered = title();
        seen.facts = [...document.querySelectorAll("#details dt")].map((d) => d.textContent);
        document.querySelector("#details li button").click();
        seen.followed = title();

        const svg = document.querySelector("#stage svg");
        const before = svg.style.transform;
        press("+");
        seen.zoomed = svg.style.transform !== before;
        press("0");
        seen.fitted = svg.style.transform !== "";
        """,
    )
    whole = viz.graph(loss, model=model)
    drawn = [n for n in whole.picture.nodes if n.kind != "parameter"]
    assert seen.pop("title") == "small"
    assert (seen.pop("full"), seen.pop("pressed")) == (len(drawn), "true")
    parameters = [n.id for n in whole.picture.nodes if n.kind == "parameter"]
    assert seen.pop("rows") == parameters
    assert seen.pop("row") == ["weight", "weight"]
    fills, _ = overlay(whole.picture.nodes, "grad_norm")
    assert seen.pop("shades") == [fills[p] for p in parameters]
    assert (seen.pop("foundRow"), seen.pop("bright")) == ("1 found", ["head"])
    assert seen["start"] == seen.pop("again") < seen.pop("both")
    assert seen.pop("start") < len(drawn)
    assert (seen.pop("found"), seen.pop("hit")) == ("1 found", "layers.2")
    assert seen.pop("dim") > 0
    assert set(seen.pop("overlays")) >= {"", "flops", "saved", "grad_norm", "time"}
    assert seen.pop("scale") == 5
    assert (seen.pop("first"), seen.pop("second"), seen.pop("back")) == ("stem", "relu", "stem")
    assert seen.pop("step").startswith("1 / ")
    assert (seen.pop("playing"), seen.pop("stopped")) == ("true", "false")
    assert (seen.pop("entered"), seen.pop("followed")) == ("output", "sum")
    assert {"kind", "shape", "dtype"} <= set(seen.pop("facts"))
    assert all(seen.values()), seen  # recoloured, restored, focused, zoomed, fitted


def test_names_that_are_markup_execute_nothing_in_a_browser(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    vars(model)[HOSTILE] = nn.Linear(2, 2)
    x = tg.Tensor(np.ones((1, 2), np.float32))
    y = vars(model)[HOSTILE](model[0](x))
    html = viz.graph(y, model=model, inputs={HOSTILE: x}, title=HOSTILE).to_html()
    seen = browse(
        tmp_path,
        html,
        """
        for (const button of document.querySelectorAll("header button")) button.click();
        for (const node of nodes) select(node);
        type("script");
        seen.hacked = window.hacked === undefined ? "no" : "yes";
        seen.scripts = document.querySelectorAll("script").length;
        seen.images = document.querySelectorAll("img").length;
        seen.title = document.title;
        """,
    )
    assert seen == {"hacked": "no", "scripts": 3, "images": 0, "title": HOSTILE}


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=25)
def test_any_title_and_input_name_leave_the_page_whole(title: str, name: str) -> None:
    x = tg.Tensor(np.ones(2, np.float32))
    w = tg.Tensor(np.ones(2, np.float32), requires_grad=True)
    html = viz.graph(tg.sum(x * w), inputs={name: x}, title=title).to_html()
    assert html.encode().count(b"</script>") == 2
    names = [n["name"] for n in page_data(html)["pictures"]["0-forward"]["nodes"]]
    assert names[0] == name
