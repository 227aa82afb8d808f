"""Take the README's picture: the main job, as a person sees it when the agent has proposed something."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, async_playwright


@asynccontextmanager
async def main_job() -> AsyncIterator[str]:
    """Run `mcpx run` with a state of its own and yield the invite link."""
    with tempfile.TemporaryDirectory(prefix="mcpx-screenshot-") as directory:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MCPX_")}
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("mcpx"),
            *("run", "--json", "--name", "ann", "--workspace", f"{directory}/notes"),
            env={**kept, "MCPX_STATE_DIR": f"{directory}/state"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(30):
                line = await process.stdout.readline()
            yield json.loads(line)["link"]
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def decide_once(page: Page) -> None:
    """Approve the first proposal and ask for another: the picture has a result and a decision to make."""
    await page.get_by_test_id("approve").first.click()
    await page.get_by_test_id("result").wait_for()
    await page.get_by_test_id("composer-text").fill("again")
    await page.get_by_test_id("send").click()
    await page.locator("#queue button").wait_for()


async def take(path: Path) -> None:
    """Write the picture to `path`."""
    executable = shutil.which("chromium")
    async with main_job() as link, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"],
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        page.set_default_timeout(15_000)
        await page.goto(link)
        await decide_once(page)
        await page.screenshot(path=path)
        await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    asyncio.run(take(parser.parse_args().path))
