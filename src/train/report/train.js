// The curves of a training run.
'use strict';
(() => {
  const {data: report, color, significant, axis} = page;
  const over = column => report.points.map(point => ({x: point[0], y: point[column]}));
  const line = (label, data, paint, more) => ({
    label, data, borderColor: paint, backgroundColor: paint, borderWidth: 1.5, pointRadius: data.length > 60 ? 0 : 2,
    pointHoverRadius: 4, ...more,
  });

  function curve(id, datasets, title) {
    return new Chart(document.getElementById(id), {
      type: 'line',
      data: {datasets},
      options: {
        maintainAspectRatio: false, animation: false, parsing: false, normalized: true,
        interaction: {mode: 'nearest', axis: 'x', intersect: false},
        scales: {
          x: axis('step', {type: 'linear', min: 0, ticks: {maxTicksLimit: 9, precision: 0}}),
          y: axis(title, {ticks: {maxTicksLimit: 7, callback: significant}}),
        },
        plugins: {
          legend: {display: datasets.length > 1, position: 'top', align: 'start', labels: {color: color('text'), boxWidth: 14, boxHeight: 2}},
          tooltip: {callbacks: {title: items => 'step ' + items[0].raw.x, label: item => item.dataset.label + ' ' + significant(item.raw.y)}},
        },
      },
    });
  }

  page.keepDrawn(() => {
    const losses = [
      line('training, smoothed', over(2), color('float'), {borderWidth: 2.5, pointRadius: 0, order: 2}),
      line('training', over(1), color('float') + '55', {borderWidth: 1, pointRadius: 0, order: 3}),
    ];
    const heldOut = report.evaluations.map(([x, y]) => ({x, y}));
    if (heldOut.length > 0) losses.unshift(line('held out', heldOut, color('int8'), {borderWidth: 2, pointRadius: 3, order: 1}));
    return [
      curve('loss-chart', losses, 'nats a token'),
      curve('rate-chart', [line('learning rate', over(4), color('float'))], ''),
      curve('norm-chart', [line('gradient norm', over(3), color('float'))], ''),
      curve('speed-chart', [line('tokens/s', over(5), color('float'))], ''),
    ];
  });
  if (!report.finished) setTimeout(() => location.reload(), 30000);
})();
