"""Measures of what is drawn, taken inside the browser: contrast of text, and content that does not fit."""

from typing import Any

from tests.e2e.browser import Tab

# WCAG 2.2, 1.4.3: 4.5 for text, 3 for large text (24 px, or 18.66 px bold). Icons drawn as ligatures count as large.
_CONTRAST = """
() => {
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
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
    return layers.reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const found = [];
  for (const element of document.querySelectorAll('[data-testid="stApp"] *')) {
    const own = [...element.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own.length || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2 || element.closest('[aria-hidden="true"], [disabled], canvas, noscript')) continue;
    const style = getComputedStyle(element);
    let ink = rgba(element instanceof SVGElement ? style.fill : style.color), faded = 1;
    for (let at = element; at; at = at.parentElement) faded *= Number(getComputedStyle(at).opacity);
    ink[3] *= faded * (element instanceof SVGElement ? Number(style.fillOpacity) : 1);
    const under = ground(element), seen = over(ink, under);
    const [a, b] = [light(seen), light(under)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const icon = element.dataset.testid === 'stIconMaterial' || element.role === 'img';
    const wanted = icon || size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < wanted) found.push(`${own[0].textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)} < ${wanted}`);
  }
  return [...new Set(found)];
}
"""

_OVERFLOW = """
() => {
  const found = [], wide = document.documentElement.clientWidth;
  for (const area of [document.documentElement, document.querySelector('[data-testid="stMain"]')])
    if (area.scrollWidth > area.clientWidth + 1) found.push(`scrolls sideways: ${area.scrollWidth} > ${area.clientWidth}`);
  for (const element of document.querySelectorAll('[data-testid="stMain"] *')) {
    const text = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !element.checkVisibility({visibilityProperty: true})) continue;
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    if (box.width < 2 || box.height < 2 || element.closest('canvas, .js-plotly-plot, pre')) continue;
    const name = element.textContent.trim().slice(0, 40);
    if (box.right > wide + 1 || box.left < -1) found.push(`outside: ${name}`);
    if (style.textOverflow === 'ellipsis' && element.scrollWidth > element.clientWidth + 1) found.push(`cut: ${name}`);
  }
  return [...new Set(found)];
}
"""


def faint(tab: Tab) -> list[str]:
    """Texts without enough contrast with what is behind them."""
    found: Any = tab.page.evaluate(_CONTRAST)
    return list(found)


def cut(tab: Tab) -> list[str]:
    """Texts that are cut or lie outside the window, and areas that scroll sideways."""
    found: Any = tab.page.evaluate(_OVERFLOW)
    return list(found)
