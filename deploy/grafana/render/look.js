// Looks at a drawn dashboard as a person would: nothing without data, nothing empty, no text cut off or on another's place.
// Evaluates to a list of [panel title, what is wrong]. Text inside canvases (axes) is out of reach.
() => {
  const ACROSS = 1.5; // px that rounding may take
  const DOWN = 0.25; // of a line's height: glyph boxes are taller than glyphs

  const clipped = (rect, element, box) => {
    let { left, top, right, bottom } = rect;
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (at === box || style.overflowX !== 'visible' || style.overflowY !== 'visible') {
        const edge = at.getBoundingClientRect();
        [left, right] = [Math.max(left, edge.left), Math.min(right, edge.right)];
        [top, bottom] = [Math.max(top, edge.top), Math.min(bottom, edge.bottom)];
      }
      if (at === box) break;
    }
    return { left, top, right, bottom, width: right - left, height: bottom - top };
  };

  const textsOf = (box) => {
    const walk = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      const element = node.parentElement;
      const seen = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
      const { width, height } = element.getBoundingClientRect();
      const forReadersOnly = width <= 1 || height <= 1;
      if (!node.data.trim() || !seen || forReadersOnly || element.closest('style, script')) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const rect of range.getClientRects()) {
        if (rect.width > 1) found.push({ node, text: node.data.trim(), rect, seen: clipped(rect, element, box) });
      }
    }
    return found;
  };

  // An ellipsis takes letters away for the smallest part of a px that is missing.
  const slack = (node) => (getComputedStyle(node.parentElement).textOverflow === 'ellipsis' ? 0.02 : ACROSS);
  const cut = ({ node, rect, seen }) =>
    rect.width - seen.width > slack(node) || rect.height - seen.height > DOWN * rect.height;
  const onAnother = (a, b) =>
    a.node !== b.node &&
    Math.min(a.seen.right, b.seen.right) - Math.max(a.seen.left, b.seen.left) > ACROSS &&
    Math.min(a.seen.bottom, b.seen.bottom) - Math.max(a.seen.top, b.seen.top) >
      DOWN * Math.min(a.rect.height, b.rect.height);
  const painted = (canvas) =>
    canvas.width > 0 &&
    canvas.height > 0 &&
    canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value);

  const problems = [];
  const boxes = [...document.querySelectorAll('[data-panel]')];
  if (!boxes.length) problems.push(['', 'the dashboard has no panel']);
  for (const box of boxes) {
    const { title, state, values } = box.dataset;
    const say = (what) => problems.push([title, what]);
    const texts = textsOf(box);
    const canvases = [...box.querySelectorAll('canvas')];
    if (state !== 'done') say(`is in state ${state}: ${box.innerText}`);
    if (values === '0' || texts.some(({ text }) => text === 'No data')) say('has no data');
    if (!canvases.some(painted) && !texts.some(({ text }) => text !== title)) say('shows nothing');
    for (const text of texts) if (cut(text)) say(`cuts off "${text.text}"`);
    texts.forEach((one, at) => {
      for (const other of texts.slice(at + 1)) {
        if (onAnother(one, other)) say(`has "${one.text}" on the place of "${other.text}"`);
      }
    });
    for (const inner of box.querySelectorAll('*')) {
      const scrolls = ['auto', 'scroll'].includes(getComputedStyle(inner).overflowY);
      if (scrolls && inner.scrollHeight - inner.clientHeight > 2) say(`hides ${inner.scrollHeight - inner.clientHeight} px below a scroll bar`);
    }
  }
  return problems;
}
