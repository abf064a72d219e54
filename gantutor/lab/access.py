"""What ipywidgets 7.7 and 8 leave out for readers who use the keyboard or a screen reader, and Python cannot set."""

import html

import ipywidgets as widgets

STYLE = """
.widget-vbox :focus-visible:not(#none) { outline: 2px solid #0072B2 !important; outline-offset: 2px; }
"""
"""`:not(#none)` says nothing, and outweighs the style sheets that hide the focus of sliders."""
SCRIPT = """
const panel = this.closest('.widget-vbox');
if (!panel || panel.watched) return;  // the style loads anew when it is moved, or made anew with other children
panel.watched = true;
const icons = {'fa-play': 'play', 'fa-pause': 'pause', 'fa-stop': 'stop', 'fa-retweet': 'repeat'};
const set = (element, attribute, value) => {
  if (element.getAttribute(attribute) !== value) element.setAttribute(attribute, value);
};
const mend = () => {
  for (const slider of panel.querySelectorAll('.widget-slider')) {
    const name = slider.querySelector('.widget-label').textContent, readout = slider.querySelector('.widget-readout');
    for (const handle of slider.querySelectorAll('.noUi-handle, .ui-slider-handle')) {  // of ipywidgets 8 and 7
      set(handle, 'role', 'slider');
      set(handle, 'aria-label', name);
      set(handle, 'aria-valuetext', readout.textContent);  // of options and logarithms it says the number only
    }
    if (readout.isContentEditable) {
      set(readout, 'role', 'textbox');
      set(readout, 'aria-label', name);
    }
  }
  for (const icon of panel.querySelectorAll('.widget-play i')) {
    set(icon.parentElement, 'aria-label', icons[[...icon.classList].find((each) => each in icons)]);
  }
  for (const image of panel.querySelectorAll('.widget-image')) set(image, 'alt', 'picture');
  // JupyterLab takes arrows and letters for its own, and would go to the next cell
  for (const list of panel.querySelectorAll('select')) set(list, 'data-lm-suppress-shortcuts', 'true');
};
mend();
new MutationObserver(mend).observe(panel, {
  subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['aria-valuetext', 'class'],
});
let left = null;  // what had the focus when it was disabled
new MutationObserver((changes) => {
  for (const {target} of changes) {
    if (target.disabled && target === document.activeElement) left = target;
    if (!target.disabled && target === left) {
      if (document.activeElement === document.body) target.focus();
      left = null;
    }
  }
}).observe(panel, {subtree: true, attributeFilter: ['disabled']});
"""


def access():
    """An unseen child for a panel, a VBox: it names what has no name, shows where the focus is, and keeps it there.

    A style sheet's load is the one event that a browser reports of HTML without a picture or a link.
    """
    value = f'<style onload="{html.escape(SCRIPT)}">{STYLE}</style>'
    return widgets.HTML(value, layout={"display": "none"})
