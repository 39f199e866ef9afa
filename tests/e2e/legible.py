"""Measures of what is drawn, taken inside the browser: contrast of text, and content that does not fit."""

from typing import Any

from tests.e2e.browser import Tab

# WCAG 2.2, 1.4.3: 4.5 for text, 3 for large text (24 px, or 18.66 px bold). Icons drawn as ligatures count as large.
_CONTRAST = """
(least) => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = '#000'; canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = (c) => {
    const part = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
  };
  // Of a figure's text: the bar or box it stands in, by its colour or that of its pattern's ground.
  const among = (at, from, to) => from <= at && at <= to;
  const within = (a, b) => among(a.x + a.width / 2, b.x, b.right) && among(a.y + a.height / 2, b.y, b.bottom);
  const paint = (shape) => {
    const fill = getComputedStyle(shape).fill, pattern = /^url\\("?[^#]*#([^")]+)/.exec(fill);
    const tile = pattern && document.getElementById(pattern[1])?.querySelector('rect');
    return pattern ? (tile ? getComputedStyle(tile).fill : 'transparent') : fill;
  };
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
    const shape = element.closest('g.point, g.annotation-text-g')?.querySelector('path, rect.bg');
    const boxes = shape && [element, shape].map((each) => each.getBoundingClientRect());
    if (shape && within(...boxes)) layers.push(rgba(paint(shape)));
    return layers.reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const found = [];
  for (const element of document.querySelectorAll('[data-testid="stApp"] *')) {
    const own = [...element.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own.length || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    if (element.closest('[aria-hidden="true"], [disabled], canvas, noscript')) continue;
    if (element.closest('[data-testid="stSliderThumbValue"]')) continue; // stands above the thumb it is a part of
    const style = getComputedStyle(element);
    let ink = rgba(element instanceof SVGElement ? style.fill : style.color), faded = 1;
    for (let at = element; at; at = at.parentElement) faded *= Number(getComputedStyle(at).opacity);
    ink[3] *= faded * (element instanceof SVGElement ? Number(style.fillOpacity) : 1);
    const under = ground(element), seen = over(ink, under);
    const [a, b] = [light(seen), light(under)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const icon = element.dataset.testid === 'stIconMaterial' || element.role === 'img';
    const wanted = icon || size >= 24 || (bold && size >= 18.66) ? least / 1.5 : least;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < wanted) found.push(`${own[0].textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)} < ${wanted}`);
  }
  return [...new Set(found)];
}
"""

_OVERFLOW = """
(but) => {
  const found = [], wide = document.documentElement.clientWidth;
  for (const area of [document.documentElement, document.querySelector('[data-testid="stMain"]')])
    if (area.scrollWidth > area.clientWidth + 1)
      found.push(`scrolls sideways: ${area.scrollWidth} > ${area.clientWidth}`);
  for (const element of document.querySelectorAll('[data-testid="stMain"] *')) {
    const text = [...element.childNodes].find((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !element.checkVisibility({visibilityProperty: true})) continue;
    if (element.closest('canvas, .js-plotly-plot, pre, [data-testid="stIconMaterial"]')) continue;
    if (but && element.closest(but)) continue;
    const range = document.createRange();
    range.selectNodeContents(element);
    const box = range.getBoundingClientRect(), name = element.textContent.trim().slice(0, 40);
    if (box.width < 2 || box.height < 2) continue;
    for (let at = element; at; at = at.parentElement) {
      const flow = getComputedStyle(at).overflowX, edge = at.getBoundingClientRect();
      if (flow === 'auto' || flow === 'scroll') break;
      if (edge.width < 2 || flow === 'visible' || (box.right <= edge.right + 1 && box.left >= edge.left - 1)) continue;
      found.push(`cut: ${name}`);
      break;
    }
    if (box.left > wide) found.push(`outside: ${name}`);
  }
  return [...new Set(found)];
}
"""


def faint(tab: Tab, least: float) -> list[str]:
    """Texts whose contrast with what is behind them is below ``least``; for large text two thirds of it are enough."""
    found: Any = tab.page.evaluate(_CONTRAST, least)
    return list(found)


def cut(tab: Tab, but: str = "") -> list[str]:
    """Texts that are cut or lie outside the window, and areas that scroll sideways; ``but`` selects what may."""
    found: Any = tab.page.evaluate(_OVERFLOW, but)
    return list(found)
