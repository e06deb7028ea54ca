"""What can be checked of a page's accessibility by its document and its computed styles."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Page

_CHECK: Final = """
() => {
  const found = [];
  const tell = (what, element) => found.push(
    what + (element ? ': ' + element.outerHTML.replace(/\\s+/g, ' ').slice(0, 120) : ''));
  const all = selector => [...document.querySelectorAll(selector)];
  const shown = element => element.getClientRects().length > 0;

  // The document
  if (!document.documentElement.lang) tell('no language');
  if (document.title.trim().length < 4) tell('no title');
  if (all('main').length !== 1) tell('not one main landmark');
  if (all('header').length < 1 || all('footer').length < 1) tell('no header or footer');
  all('nav').forEach(each => each.getAttribute('aria-label') || tell('a navigation without a name', each));
  const ids = all('[id]').map(each => each.id);
  ids.filter((id, n) => ids.indexOf(id) !== n).forEach(id => tell('the id ' + id + ' twice'));
  const viewport = document.querySelector('meta[name=viewport]')?.content || '';
  if (/user-scalable|maximum-scale/.test(viewport) || !viewport) tell('no viewport that can be zoomed');

  // Headings
  const levels = all('h1,h2,h3,h4,h5,h6').filter(shown).map(each => +each.tagName[1]);
  if (levels.filter(level => level === 1).length !== 1 || levels[0] !== 1) tell('not one h1, at first');
  levels.forEach((level, n) => n && level > levels[n - 1] + 1 && tell('a heading level left out'));

  // Names
  const named = id => document.getElementById(id)?.textContent.trim();
  const nameOf = element => element.getAttribute('aria-label')
    || (element.getAttribute('aria-labelledby') || '').split(' ').map(named).join(' ').trim()
    || [...(element.labels || [])].map(label => label.textContent.trim()).join(' ').trim()
    || element.textContent.trim();
  all('a[href],button').forEach(each => nameOf(each) || tell('no name', each));
  all('input:not([type=hidden]),select,textarea').forEach(each => {
    if (!(each.labels && each.labels.length) && !each.getAttribute('aria-label')) tell('no label', each);
  });
  all('input[type=radio]').forEach(each =>
    each.closest('fieldset')?.querySelector('legend')?.textContent.trim() || tell('no legend', each));
  all('[aria-describedby],[aria-labelledby]').forEach(each => {
    const names = ['aria-describedby', 'aria-labelledby'].map(name => each.getAttribute(name) || '');
    names.join(' ').split(/\\s+/).filter(Boolean).forEach(id => named(id) || tell('no element ' + id, each));
  });
  all('img').forEach(each => each.hasAttribute('alt') || tell('no alt', each));
  all('svg').forEach(each => each.getAttribute('aria-hidden') || nameOf(each) || tell('no name', each));
  all('table').forEach(each => each.caption && each.querySelector('th[scope]') || tell('no caption', each));

  // Targets of at least 24 pixels, but for links in running text (WCAG 2.2, 2.5.8)
  all('button,.button,nav a,label:has(input[type=radio])').filter(shown).forEach(each => {
    const box = each.getBoundingClientRect();
    if (box.height < 24 || box.width < 24) tell('a small target', each);
  });

  // Contrast of every text with what is behind it (WCAG 2.2, 1.4.3), and of fields' borders (1.4.11)
  const parse = color => (color.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, n) => sum + value * [0.2126, 0.7152, 0.0722][n], 0);
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
      if (color[3] > 0) { tell('a background that lets others through', each); return color; }
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !shown(element) || element.closest('.hidden')) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700) ? 3 : 4.5;
    const seen = contrast(parse(style.color), behind(element));
    if (seen < needed) tell('contrast ' + seen.toFixed(2), element);
  }
  all('input:not([type=hidden]):not([type=radio]),textarea').filter(shown).forEach(each => {
    const seen = contrast(parse(getComputedStyle(each).borderTopColor), behind(each.parentElement));
    if (seen < 3) tell('border contrast ' + seen.toFixed(2), each);
  });
  return found;
}
"""


def problems_of(page: Page) -> list[str]:
    """Return what is wrong with a page for people who see, hear or point differently."""
    found: list[str] = page.evaluate(_CHECK)
    return found


def is_wider_than_the_screen(page: Page) -> bool:
    """Return whether a page can be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
