/**
 * The demo page: deployed networks at work, and one that learns. It is two scripts (this, and the worker that trains), a style sheet and
 * some small models; `subbit demo` serves them, `subbit demo --out DIR` writes them for any web server.
 */
import { byId } from './elements.js';
import { startPredict } from './predict.js';
import { startTrain } from './train.js';

const tabs = ['predict', 'train'].map((name) => ({
  name,
  tab: byId(`${name}-tab`, HTMLButtonElement),
  panel: byId(name, HTMLElement),
}));

function select(name: string, { isFocused = false } = {}): void {
  for (const { name: own, tab, panel } of tabs) {
    const isSelected = own === name;
    tab.setAttribute('aria-selected', String(isSelected));
    // Between tabs go the arrow keys; the tabulator goes on into the panel.
    tab.tabIndex = isSelected ? 0 : -1;
    panel.hidden = !isSelected;
    if (isSelected && isFocused) tab.focus();
  }
  history.replaceState(null, '', `#${name}`);
}

for (const [i, { name, tab }] of tabs.entries()) {
  tab.addEventListener('click', () => select(name));
  tab.addEventListener('keydown', ({ key }) => {
    const by = key === 'ArrowRight' ? 1 : key === 'ArrowLeft' ? -1 : 0;
    if (by !== 0) select(tabs[(i + by + tabs.length) % tabs.length]!.name, { isFocused: true });
  });
}
select(location.hash === '#train' ? 'train' : 'predict');

const open = startPredict();
startTrain((bytes, name) => {
  select('predict', { isFocused: true });
  void open(bytes, name);
});
