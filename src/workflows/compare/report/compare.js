// Charts, sorting and the map of layers of a comparison's report.
'use strict';
(() => {
  const {data: report, color, significant, axis, powers} = page;
  const rows = report.rows.filter(row => !row.error);
  const chosen = report.recommendation.name;
  const megabytes = bytes => (bytes / 1e6).toPrecision(3) + ' MB';

  // ---- Quality against size ----
  const shapes = ['triangle', 'rect', 'rectRot', 'rectRounded', 'star', 'cross', 'crossRot', 'dash', 'line'];
  const kinds = [
    {activations: 'f32', title: 'activations as they are (f32)', color: 'float', shape: 'circle'},
    ...[...new Set(rows.map(row => row.activations))].filter(name => name !== 'f32').map((activations, i) => (
      {activations, title: 'activations rounded (' + activations + ')', color: 'int8', shape: shapes[i % shapes.length]})),
  ];
  // A KL of exactly 0 has no place on a logarithmic axis: it is drawn at the lower end.
  const positive = rows.map(row => row.kl_mean).concat(rows.map(row => row.kl_mean_interval[0])).filter(kl => kl > 0);
  const bound = report.recommendation.kl_bound;
  const lowest = Math.min(...positive, bound) / 2;
  const highest = Math.max(...positive, ...rows.map(row => row.kl_mean_interval[1]), bound) * 6;  // room for labels

  // Interval bars, the line of the bound, and labels that keep clear of each other.
  const annotations = {
    id: 'annotations',
    afterDatasetsDraw(chart) {
      const {ctx, chartArea, scales: {x, y}} = chart;
      ctx.save();
      ctx.font = '12px ' + Chart.defaults.font.family;
      const boundary = y.getPixelForValue(bound);
      ctx.strokeStyle = color('good');
      ctx.setLineDash([6, 4]);
      ctx.beginPath();
      ctx.moveTo(chartArea.left, boundary);
      ctx.lineTo(chartArea.right, boundary);
      ctx.stroke();
      ctx.setLineDash([]);
      ctx.fillStyle = color('good');
      ctx.textBaseline = 'bottom';
      const caption = 'small loss: below ' + bound + ' nats';
      const captionWidth = ctx.measureText(caption).width;
      ctx.fillText(caption, chartArea.right - captionWidth - 4, boundary - 3);
      const taken = [{left: chartArea.right - captionWidth - 8, right: chartArea.right, top: boundary - 18, bottom: boundary}];
      const points = [];
      chart.data.datasets.forEach((dataset, index) => {
        if (chart.isDatasetVisible(index)) dataset.data.forEach(point => points.push({...point, color: dataset.borderColor}));
      });
      for (const point of points) {
        const px = x.getPixelForValue(point.x), py = y.getPixelForValue(point.y);
        const top = y.getPixelForValue(point.row.kl_mean_interval[1]);
        const bottom = y.getPixelForValue(Math.max(point.row.kl_mean_interval[0], lowest));
        ctx.strokeStyle = point.color;
        ctx.lineWidth = 1.5;
        ctx.beginPath();
        ctx.moveTo(px, top);
        ctx.lineTo(px, bottom);
        for (const end of [top, bottom]) {
          ctx.moveTo(px - 4, end);
          ctx.lineTo(px + 4, end);
        }
        ctx.stroke();
        if (point.row.name === chosen) {
          ctx.strokeStyle = color('good');
          ctx.lineWidth = 2;
          ctx.beginPath();
          ctx.arc(px, py, 11, 0, 2 * Math.PI);
          ctx.stroke();
        }
        taken.push({left: px - 8, right: px + 8, top: Math.min(top, py - 8), bottom: Math.max(bottom, py + 8)});
      }
      const overlap = (a, b) => Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) *
          Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
      // A label names the format; colour and shape show the activations. Points of one format that touch share a label.
      const labels = [];
      for (const point of points.sort((a, b) => a.y - b.y)) {
        const px = x.getPixelForValue(point.x), py = y.getPixelForValue(point.y);
        const text = point.row.format + point.row.name.slice(point.row.scheme.length);
        if (!labels.some(label => label.text === text && Math.hypot(label.px - px, label.py - py) < 14)) labels.push({text, px, py});
      }
      ctx.textBaseline = 'middle';
      for (const {text, px, py} of labels) {
        const width = ctx.measureText(text).width;
        let best = null;
        for (const [dx, dy] of offsets) {
          const left = dx > 0 ? px + dx : px + dx - width;
          const box = {left: left - 2, right: left + width + 2, top: py + dy - 7, bottom: py + dy + 7, dx, dy};
          const outside = box.left < chartArea.left || box.right > chartArea.right || box.top < chartArea.top || box.bottom > chartArea.bottom;
          const cost = taken.reduce((sum, other) => sum + overlap(box, other), outside ? 1e5 : 0);
          if (best === null || cost < best.cost) best = {...box, cost};
          if (cost === 0) break;
        }
        taken.push(best);
        if (Math.hypot(best.dx, best.dy) > 30) {
          ctx.strokeStyle = color('muted');
          ctx.lineWidth = 0.7;
          ctx.beginPath();
          ctx.moveTo(px, py);
          ctx.lineTo(best.dx > 0 ? best.left : best.right, py + best.dy);
          ctx.stroke();
        }
        ctx.fillStyle = color('text');
        ctx.fillText(text, best.left + 2, py + best.dy);
      }
      ctx.restore();
    },
  };

  // Where a label may stand from its point, nearest first: to the right (x > 0) or to the left.
  const offsets = [14, -14, 34, -34, 60, 90].flatMap(x => [0, 15, -15, 30, -30, 45, -45, 60, -60, 80, -80, 100].map(y => [x, y]))
      .sort((a, b) => Math.hypot(...a) - Math.hypot(...b));

  function qualityChart() {
    const bits = rows.map(row => row.bits_per_weight);
    const datasets = kinds.map(kind => ({
      label: kind.title,
      data: rows.filter(row => row.activations === kind.activations)
          .map(row => ({x: row.bits_per_weight, y: Math.max(row.kl_mean, lowest), row})),
      pointStyle: kind.shape, pointRadius: 6, pointHoverRadius: 8,
      backgroundColor: color(kind.color), borderColor: color(kind.color),
    })).filter(dataset => dataset.data.length > 0);
    return new Chart(document.getElementById('quality-chart'), {
      type: 'scatter',
      data: {datasets},
      plugins: [annotations],
      options: {
        maintainAspectRatio: false, animation: false,
        scales: {
          x: axis('bits per weight', {min: Math.floor(Math.min(...bits) - 0.5), max: Math.ceil(Math.max(...bits) + 1.5)}),
          y: axis('mean KL, nats (logarithmic)', {type: 'logarithmic', min: lowest, max: highest, ticks: {callback: powers}}),
        },
        plugins: {
          legend: {position: 'top', align: 'start', labels: {color: color('text'), usePointStyle: true}},
          tooltip: {callbacks: {label: ({raw: {row}}) => [
            row.name, 'KL ' + significant(row.kl_mean) + ' (' + row.kl_mean_interval.map(significant).join(' to ') + ')',
            row.bits_per_weight.toFixed(2) + ' bits per weight, ' + megabytes(row.bytes)]}},
        },
      },
    });
  }

  // ---- Speed ----
  function speedChart(id, field) {
    const all = [{name: 'unquantized', ...report.baseline}].concat([...rows].sort((a, b) => b[field] - a[field]));
    document.getElementById(id + '-box').style.height = 26 * all.length + 40 + 'px';
    const paint = row => row.name === 'unquantized' ? 'muted' : row.activations === 'f32' ? 'float' : 'int8';
    return new Chart(document.getElementById(id + '-chart'), {
      type: 'bar',
      data: {
        labels: all.map(row => row.name.replace('@int8_block32', '@int8')),
        datasets: [{data: all.map(row => row[field]), backgroundColor: all.map(row => color(paint(row))), barPercentage: 0.8, categoryPercentage: 0.9}],
      },
      plugins: [{
        id: 'values',
        afterDatasetsDraw(chart) {
          const {ctx} = chart;
          ctx.save();
          ctx.font = '11px ' + Chart.defaults.font.family;
          ctx.fillStyle = color('muted');
          ctx.textBaseline = 'middle';
          chart.getDatasetMeta(0).data.forEach((bar, i) => ctx.fillText(significant(all[i][field]), bar.x + 5, bar.y));
          ctx.restore();
        },
      }],
      options: {
        indexAxis: 'y', maintainAspectRatio: false, animation: false, layout: {padding: {right: 44}},
        scales: {
          x: {beginAtZero: true, ticks: {color: color('muted'), maxTicksLimit: 6}, grid: {color: color('line')}},
          y: {ticks: {color: color('text'), autoSkip: false, font: {size: 12}}, grid: {display: false}},
        },
        plugins: {legend: {display: false}},
      },
    });
  }

  // ---- Map of layers ----
  const blockOf = layer => (layer.name.match(/\.(\d+)\./) || [null, null])[1];
  const kindOf = layer => layer.name.replace(/^.*\.\d+\./, '').replace(/\.weight$/, '');
  const maps = [];
  for (const row of rows) {
    const same = maps.find(map => map.format === row.format && map.method === row.method);
    if (!same) maps.push({format: row.format, method: row.method, layers: row.layers.filter(layer => blockOf(layer) !== null)});
  }
  const layerKinds = [...new Set(maps.flatMap(map => map.layers.map(kindOf)))];
  const blocks = [...new Set(maps.flatMap(map => map.layers.map(blockOf)))].sort((a, b) => a - b);
  const select = document.getElementById('layer-kind');
  for (const kind of ['all, weighted by size', ...layerKinds]) select.add(new Option(kind, kind));

  // A colour between the two ends of the scale.
  function mixed(share) {
    const parts = name => [1, 3, 5].map(at => parseInt(color(name).slice(at, at + 2), 16));
    const low = parts('heat-low'), high = parts('heat-high');
    return 'rgb(' + low.map((part, i) => Math.round(part + share * (high[i] - part))).join(' ') + ')';
  }

  function drawLayers() {
    const all = select.selectedIndex === 0;
    const value = (map, block) => {
      const layers = map.layers.filter(layer => blockOf(layer) === block && (all || kindOf(layer) === select.value));
      const weights = layers.reduce((sum, layer) => sum + layer.n * layer.k, 0);
      return layers.reduce((sum, layer) => sum + layer.relative_squared_error * layer.n * layer.k, 0) / weights;
    };
    const cells = maps.map(map => blocks.map(block => value(map, block)));
    const logs = cells.flat().filter(error => error > 0).map(Math.log);
    const low = Math.min(...logs), high = Math.max(...logs);
    const several = new Set(maps.map(map => map.method)).size > 1;
    const table = document.createElement('table');
    const head = table.createTHead().insertRow();
    const headCell = (text, row) => row.appendChild(Object.assign(document.createElement('th'), {textContent: text}));
    headCell('block', head);
    blocks.forEach(block => headCell(block, head));
    maps.forEach((map, i) => {
      const row = table.insertRow();
      row.insertCell().textContent = map.format + (several ? ' (' + map.method + ')' : '');
      cells[i].forEach((error, j) => {
        const cell = row.insertCell();
        const share = error > 0 && high > low ? (Math.log(error) - low) / (high - low) : 0;
        cell.className = 'cell';
        cell.style.background = mixed(share);
        cell.title = map.format + ', block ' + blocks[j] + ': ' + significant(error);
      });
    });
    const scale = document.createElement('div');
    scale.className = 'scale';
    scale.append(logs.length ? significant(Math.exp(low)) : '0', document.createElement('i'),
                 logs.length ? significant(Math.exp(high)) + ' (logarithmic)' : '');
    document.getElementById('layers').replaceChildren(table, scale);
  }
  select.addEventListener('change', drawLayers);

  page.sortable(document.getElementById('rows'));
  page.keepDrawn(() => {
    drawLayers();
    return [qualityChart(), speedChart('decode', 'decode_tokens_per_second'), speedChart('prompt', 'prompt_tokens_per_second')];
  });
})();
