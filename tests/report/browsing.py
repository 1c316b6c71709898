"""What the tests of the page do in a browser."""

PLAYER = "document.getElementById('player')"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)


def wait_until(page, condition):
    """Playwright's own waiting evaluates strings in the page, which its policy forbids."""
    page.evaluate(
        """() => new Promise((resolve, reject) => {
            const look = tries => {
                if (CONDITION) resolve();
                else if (tries) setTimeout(look, 10, tries - 1);
                else reject(new Error("waited in vain"));
            };
            look(1000);
        })""".replace("CONDITION", condition)
    )


def seeked(page):
    """Current time once the picture of it is there."""
    wait_until(page, f"!{PLAYER}.seeking && {PLAYER}.readyState >= 2")
    return page.evaluate(f"{PLAYER}.currentTime")


def bar(page, kind, number):
    return page.locator(f"#lanes .{kind}[data-n='{number}']")


def detections_drawn(page):
    return page.locator("#lanes .detection").count()


def set_threshold(page, value):
    page.locator("#threshold").fill(str(value))
    wait_until(page, f"document.getElementById('threshold-value').textContent === '{value:.2f}'")


def totals(page):
    names = page.locator("#totals dt").all_inner_texts()
    return dict(zip(names, page.locator("#totals dd").all_inner_texts(), strict=True))
