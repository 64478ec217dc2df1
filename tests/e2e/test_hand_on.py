"""What is taken away from the Neighbours page: the picture and the link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.conftest import address_of, begun, eventually, settled
from tests.e2e.server import running_app
from tests.e2e.test_app import names

Visit = Callable[..., Page]
ALS, WORD2VEC, SHARED = (0, 114, 178), (213, 94, 0), (118, 118, 118)
DARK, WHITE = (29, 29, 27), (255, 255, 255)
WIDTH = 2 * 1160
FOCUSED = """() => {
  const element = document.activeElement;
  return (element.shadowRoot?.activeElement ?? element).innerText.trim();
}"""


def picture(page: Page, *, by_keyboard: bool = False) -> tuple[Image.Image, str]:
    """The downloaded picture and its file's name."""
    button = page.get_by_role("button", name="Download a picture (PNG)")
    expect(button).to_be_enabled()
    with page.expect_download() as coming:
        if by_keyboard:
            button.focus()
            page.keyboard.press("Enter")
        else:
            button.click()
    path = Path(coming.value.path())
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    with Image.open(path) as opened:
        assert opened.format == "PNG"
        return opened.convert("RGB"), coming.value.suggested_filename


def colours(image: Image.Image) -> dict[tuple[int, int, int], int]:
    """How many pixels have each colour."""
    return {colour: count for count, colour in image.getcolors(maxcolors=image.width * image.height)}  # type: ignore[misc]


def test_the_picture_shows_both_models_on_white(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000")
    image, file = picture(page)
    assert file == f"neighbours-s000000-{address_of(page, 'build')}.png"
    assert image.width == WIDTH
    assert image.height > 1000
    found = colours(image)
    assert len(found) > 50
    assert image.getpixel((0, 0)) == WHITE
    assert found[WHITE] > 0.7 * image.width * image.height
    for colour in (ALS, WORD2VEC, SHARED):
        assert found[colour] > 500
    expect(page.get_by_role("status").filter(has_text="Picture saved")).to_have_count(1)


def test_the_picture_is_the_same_again_and_another_for_another_item_or_length(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000")
    first, _ = picture(page)
    assert picture(page)[0] == first
    page.locator("section.first td.name button").nth(1).click()
    settled(page)
    other, file = picture(page)
    assert other != first
    assert address_of(page, "item") in file
    longer, _ = picture(visit(f"{demo_app}/neighbours?item=s000000&n=20"))
    assert longer.width == first.width
    assert longer.height - first.height == 2 * 10 * 30


def test_the_picture_is_the_same_in_the_dark(demo_app: str, visit: Visit) -> None:
    light = visit(f"{demo_app}/neighbours?item=s000000")
    dark = visit(f"{demo_app}/neighbours?item=s000000")
    dark.emulate_media(color_scheme="dark")
    dark.reload()
    begun(dark)
    assert dark.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") == "rgb(22, 24, 26)"
    assert picture(dark)[0] == picture(light)[0]


def edges(image: Image.Image) -> set[tuple[int, int, int]]:
    """The colours of the outermost pixels."""
    right, low = image.width - 1, image.height - 1
    across = {image.getpixel((x, y)) for x in range(image.width) for y in (0, low)}
    return across | {image.getpixel((x, y)) for y in range(image.height) for x in (0, right)}  # type: ignore[return-value]


@pytest.mark.parametrize("item", ["x1", "x2", "x3", "x4", "x5"])
def test_no_name_breaks_the_picture(hostile_app: str, visit: Visit, item: str) -> None:
    page = visit(f"{hostile_app}/neighbours?item={item}")
    image, _ = picture(page)
    assert image.width == WIDTH
    assert 600 < image.height < 1500
    assert edges(image) == {WHITE}
    assert colours(image)[ALS] > 500
    assert page.evaluate("window.harmed") is None


def test_a_list_that_is_empty_says_so_in_the_picture(hostile_app: str, visit: Visit) -> None:
    page = visit(f"{hostile_app}/neighbours?item=solo")
    expect(page.locator("section.second .empty")).to_contain_text("has no vector")
    image, _ = picture(page)
    assert edges(image) == {WHITE}
    right = image.crop((WIDTH // 2, 0, WIDTH, image.height))
    mark = [y for y in range(right.height) for x in range(60) if right.getpixel((x + 60, y)) == WORD2VEC]
    assert 100 < len(mark) == colours(right)[WORD2VEC]  # the model's mark, and no row in its colour
    below = right.crop((0, max(mark) + 20, right.width, max(mark) + 80))
    assert colours(below)[DARK] > 100


@pytest.fixture(scope="module")
def hostile_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app on a set whose names are markup, very long, from right to left, or piled up; "solo" lacks one list."""
    from recsys.config import BuildConfig
    from recsys.pipeline import build

    folder = tmp_path_factory.mktemp("hostile")
    hostile = [
        "<img src=x onerror=window.harmed=1>",
        "The long name of " + "an orchestra and its choir " * 40,
        "فرقة موسيقية لها اسم طويل جدا لا يتسع له السطر",
        "\u202enoitcerid\u202e " + "Z" + "\u0301" * 60,
        "W" * 500,
    ]
    queues = [[f"x{1 + (u * step + k) % 5}" for k in range(4)] for u in range(9) for step in (1, 2)]
    lines = ["user\titem\tname\ttimestamp"]
    for at, queue in enumerate(queues):
        for place, item in enumerate(queue):
            name = hostile[int(item[1:]) - 1]
            lines.append(f"u{at % 9}\t{item}\t{name}\t{1_700_000_000 + 86_400 * at + 60 * place}")
    lines += [f"u{u}\tsolo\tSolo\t{1_800_000_000 + 86_400 * u}" for u in range(6)]
    (folder / "log.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    config = BuildConfig(min_listeners=1, maps=[], als={"factors": 4}, word2vec={"epochs": 3})
    build("events", folder / "log.tsv", folder / "sets" / "hostile", config)
    with running_app(folder / "sets") as address:
        yield address


def test_the_copied_link_shows_the_same_lists(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000&n=6&popularity=0&popularity=80&pin=s000001")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name="Copy link")
    button.click()
    expect(page.get_by_role("status").filter(has_text="Link copied")).to_have_count(1)
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url
    expect(page.get_by_role("status").filter(has_text="Link copied")).to_have_count(0)
    expect(button).to_contain_text("Copy link")
    theirs = visit(copied)
    for side in ("first", "second"):
        assert names(theirs, side) == names(page, side)
    assert theirs.url == page.url


def test_no_click_is_lost_on_a_button_that_cannot_answer_yet(demo_app: str, visit: Visit) -> None:
    """Streamlit shows a component's HTML before it has loaded its script: longer on a slow telephone."""
    page = visit(demo_app)
    page.add_init_script("""
      const attach = Element.prototype.attachShadow;
      window.answers = [];
      Element.prototype.attachShadow = function (options) {
        const root = attach.call(this, options);
        const look = () => window.answers.push(
          ...[...root.querySelectorAll(".hand-on button")].map((each) => [!each.disabled, Boolean(each.onclick)]));
        new MutationObserver(look).observe(root, { attributes: true, childList: true, subtree: true });
        return root;
      }""")
    page.goto(f"{demo_app}/neighbours?item=s000000")
    expect(page.get_by_role("button", name="Copy link")).to_be_enabled()
    page.locator("section.first td.name button").nth(1).click()
    settled(page)
    answers = page.evaluate("window.answers")
    assert [False, False] in answers
    assert [True, True] in answers
    assert [True, False] not in answers


def test_without_the_clipboard_the_old_way_copies_and_without_both_the_link_is_shown(
    demo_app: str, visit: Visit
) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.evaluate("document.addEventListener('copy', () => { window.taken = document.activeElement.value })")
    button = page.get_by_role("button", name="Copy link")
    button.click()
    expect(page.get_by_role("status").filter(has_text="Link copied")).to_have_count(1)
    assert page.evaluate("window.taken") == page.url
    assert page.evaluate("document.querySelectorAll('body > textarea').length") == 0
    assert page.evaluate(FOCUSED) == "Link copied"
    field = page.get_by_role("textbox", name="Link to this view")
    expect(field).to_be_hidden()
    page.evaluate("document.execCommand = () => false")
    expect(button).to_be_visible()
    button.click()
    expect(field).to_be_visible()
    expect(field).to_have_value(page.url)
    assert field.evaluate("each => each.value.slice(each.selectionStart, each.selectionEnd)") == page.url


def test_both_buttons_work_by_keyboard_alone(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    expect(page.get_by_role("button", name="Download these lists (CSV)")).to_be_visible()
    expect(page.get_by_role("button", name="Copy link")).to_be_enabled()
    settled(page).get_by_role("combobox", name="Why is this a neighbour?").focus()
    reached = []
    for _ in range(3):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
        if reached[-1] == "Copy link":
            page.keyboard.press("Enter")
            expect(page.get_by_role("status").filter(has_text="Link copied")).to_have_count(1)
    assert reached == ["Copy link", "Download a picture (PNG)", "Download these lists (CSV)"]
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    assert picture(page, by_keyboard=True)[0].width == WIDTH


def test_the_buttons_fit_a_telephone_and_look_like_the_one_beside_them(demo_app: str, visit: Visit) -> None:
    page = visit(f"{demo_app}/neighbours?item=s000000", width=390)
    labels = ("Copy link", "Download a picture (PNG)", "Download these lists (CSV)")
    buttons = [page.get_by_role("button", name=label) for label in labels]
    boxes = [button.bounding_box() for button in buttons]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    assert len({box["height"] for box in boxes if box}) == 1
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    look = "b => { const s = getComputedStyle(b); return [s.color, s.border, s.borderRadius].join() }"
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        eventually(page, lambda: len({button.evaluate(look) for button in buttons}) == 1)
