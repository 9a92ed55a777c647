// What the scripts of all pages use: the page's data, colours, numbers, axes, and drawing in the colours of the screen or of paper.
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
  // Draws now, and again where the colours change; `drawAll` returns the charts that it made.
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
  }
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  return {data: JSON.parse(document.getElementById('report-data').textContent), color, significant, axis, keepDrawn};
})();
