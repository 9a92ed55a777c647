// What the scripts of all pages use: the page's data, colours, numbers, axes, sorting, and drawing in the colours of the screen or of paper.
'use strict';
const page = (() => {
  const color = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
  const significant = value => value === 0 ? '0' : Math.abs(value) < 0.001 ? value.toExponential(1)
      : String(Number(value.toPrecision(3)));
  const axis = (title, more) => ({
    title: {display: title !== '', text: title, color: color('muted')},
    ticks: {color: color('muted'), ...more.ticks},
    grid: {color: color('line')},
    ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== 'ticks')),
  });
  // Labels of a logarithmic axis: 1, 2 and 5 times powers of ten.
  const powers = value => {
    const digit = value / Math.pow(10, Math.floor(Math.log10(value) + 1e-9));
    return Math.abs(digit - Math.round(digit)) < 1e-6 && [1, 2, 5].includes(Math.round(digit)) ? significant(value) : '';
  };
  // Sorts by the column whose head is clicked; cells bring data-value.
  function sortable(table) {
    const body = table.tBodies[0];
    const heads = [...table.querySelectorAll('th[data-sort]')];
    heads.forEach(head => {
      head.tabIndex = 0;
      const sort = () => {
        const down = head.getAttribute('aria-sort') === 'ascending';
        heads.forEach(other => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        const key = row => {
          const cell = row.cells[head.cellIndex];
          return cell === undefined || cell.dataset.value === undefined ? null : cell.dataset.value;
        };
        const compare = (a, b) => {
          if (key(a) === null || key(b) === null) return (key(a) === null) - (key(b) === null);
          const order = head.dataset.sort === 'text' ? key(a).localeCompare(key(b), 'en', {numeric: true}) : key(a) - key(b);
          return down ? -order : order;
        };
        body.append(...[...body.rows].sort(compare));
      };
      head.addEventListener('click', sort);
      head.addEventListener('keydown', event => {
        if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); sort(); }
      });
    });
  }
  // Draws now, and again where the colours change; `drawAll` returns the charts that it made. Returns what draws them again.
  function keepDrawn(drawAll) {
    let charts = [];
    const draw = () => {
      charts.forEach(chart => chart.destroy());
      charts = drawAll();
    };
    draw();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
    addEventListener('beforeprint', () => { document.documentElement.classList.add('printing'); draw(); });
    addEventListener('afterprint', () => { document.documentElement.classList.remove('printing'); draw(); });
    return draw;
  }
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  return {data: JSON.parse(document.getElementById('report-data').textContent), color, significant, axis, powers, sortable, keepDrawn};
})();
