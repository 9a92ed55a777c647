// Charts and lists of an alignment's report.
(() => {
  const {data: report, color, significant, axis, powers} = page;
  const mostTokens = 1000;  // rows of the list
  const differs = report.pairs.filter(pair => pair.max !== 0 || !pair.equal_bits || pair.first_operator !== null)
      .sort((a, b) => b.max - a.max);
  let pair = differs[0] || report.pairs[0];

  // ---- Distribution ----
  // log p of b at a token: a's where b has none of its own; null where b did not compute it.
  const other = i => pair.log_p ? pair.log_p[i] : report.tokens[i].log_p;
  const differences = () => report.tokens.flatMap((token, i) => other(i) === null ? [] : [token.log_p - other(i)]);

  // Counts in `bins` equal parts of low .. high; what lies outside counts in the parts at the ends.
  function histogram(values, low, high, bins) {
    const width = (high - low) / bins;
    const counts = new Array(bins).fill(0);
    for (const value of values) counts[Math.min(bins - 1, Math.max(0, Math.floor((value - low) / width)))]++;
    return counts.map((count, i) => ({x: low + (i + 0.5) * width, y: count, low: low + i * width, high: low + (i + 1) * width}));
  }

  function histogramChart(id, points, name, title, marks, tick) {
    const low = points[0].low, high = points[points.length - 1].high;
    return new Chart(document.getElementById(id), {
      type: 'bar',
      data: {datasets: [{data: points.map(point => ({...point, y: point.y || null})), backgroundColor: color(name),
                         barPercentage: 1, categoryPercentage: 0.95, grouped: false}]},
      plugins: [{
        id: 'marks',
        afterDatasetsDraw({ctx, chartArea, scales: {x}}) {
          ctx.save();
          ctx.strokeStyle = color('bad');
          ctx.setLineDash([6, 4]);
          for (const mark of marks.filter(value => value > low && value < high)) {
            ctx.beginPath();
            ctx.moveTo(x.getPixelForValue(mark), chartArea.top);
            ctx.lineTo(x.getPixelForValue(mark), chartArea.bottom);
            ctx.stroke();
          }
          ctx.restore();
        },
      }],
      options: {
        maintainAspectRatio: false, animation: false, parsing: false, normalized: true,
        scales: {
          x: axis(title, {type: 'linear', min: low, max: high, offset: false, ticks: {maxTicksLimit: 7, callback: tick}}),
          y: axis('tokens (logarithmic)', {type: 'logarithmic', min: 0.5, ticks: {callback: value => value < 1 ? '' : powers(value)}}),
        },
        plugins: {
          legend: {display: false},
          tooltip: {callbacks: {title: () => '', label: ({raw}) => raw.y + ' tokens: ' + tick(raw.low) + ' to ' + tick(raw.high)}},
        },
      },
    });
  }

  function distributionCharts() {
    const d = differences();
    const size = d.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (size === 0) return [];
    const ratios = d.map(value => Math.exp(Math.min(10, Math.max(-10, value))));
    // An odd number of parts: 0 and 1 lie in the middle of one.
    const reach = ratios.reduce((most, r) => Math.max(most, Math.abs(r - 1)), 0);
    const high = 1 + Math.min(reach, 3), low = Math.max(0, 1 - Math.min(reach, 3));
    const tickRatio = reach < 0.01 ? value => value === 1 ? '1' : '1 ' + (value < 1 ? '\u2212 ' : '+ ') + significant(Math.abs(value - 1))
        : value => significant(value) + (reach > 3 && value >= high ? ' and more' : '');
    return [
      histogramChart('difference-chart', histogram(d, -size, size, 61), 'float', 'd, nats', [], significant),
      histogramChart('ratio-chart', histogram(ratios, low, high, 61), 'int8', 'r', [1 - report.clip, 1 + report.clip], tickRatio),
    ];
  }

  // ---- Operators ----
  function pathChart() {
    const found = pair.operators_that_differ;
    if (found.length === 0) return [];
    const line = (title, field, name) => ({
      label: title, borderColor: color(name), backgroundColor: color(name), borderWidth: 1.5, pointRadius: 2, pointHoverRadius: 5,
      data: report.operators.map((_, x) => ({x, y: null})).map(point => {
        const at = found.find(operator => operator.index === point.x);
        return at && at[field] > 0 ? {...point, y: at[field]} : point;
      }),
    });
    return [new Chart(document.getElementById('path-chart'), {
      type: 'line',
      data: {datasets: [line('max |d|', 'max', 'float'), line('relative: mean |d| / rms', 'relative', 'int8')]},
      options: {
        maintainAspectRatio: false, animation: false, parsing: false, normalized: true,
        interaction: {mode: 'index', intersect: false},
        scales: {
          x: axis('operator, in the order of execution', {type: 'linear', min: 0, max: report.operators.length - 1}),
          y: axis('difference (logarithmic)', {type: 'logarithmic', ticks: {callback: powers}}),
        },
        plugins: {
          legend: {position: 'top', align: 'start', labels: {color: color('text'), usePointStyle: true}},
          tooltip: {callbacks: {
            title: items => report.operators[items[0].raw.x].kind + ' ' + report.operators[items[0].raw.x].name,
            label: ({dataset, raw}) => dataset.label + ': ' + significant(raw.y)}},
        },
      },
    })];
  }

  function cell(row, text, value, name) {
    const out = row.insertCell();
    out.textContent = text;
    if (value !== null) out.dataset.value = value;
    if (name) out.className = name;
  }

  function listOperators() {
    const body = document.createElement('tbody');
    report.operators.forEach((operator, i) => {
      const at = pair.operators_that_differ.find(found => found.index === i);
      const row = body.insertRow();
      cell(row, i + ' ' + operator.kind, i);
      cell(row, operator.name, operator.name, 'name');
      cell(row, at ? at.rows_differ + ' of ' + at.rows : '0', at ? at.rows_differ : 0);
      for (const field of ['mean', 'max', 'relative']) {
        const value = at ? at[field] : 0;
        cell(row, value === null ? 'NaN' : significant(value), value === null ? Infinity : value);
      }
      cell(row, at ? 'window ' + at.window + ', position ' + at.position : '', at ? at.window * report.context + at.position : null);
    });
    document.getElementById('operators').tBodies[0].replaceChildren(...body.rows);
  }

  // ---- Tokens ----
  function listTokens() {
    const body = document.createElement('tbody');
    const rows = report.tokens.map((token, i) => ({token, b: other(i), d: other(i) === null ? null : token.log_p - other(i)}))
        .filter(row => row.b !== null);
    const differ = rows.filter(row => row.d !== 0).length;
    if (differ > 0) rows.sort((x, y) => Math.abs(y.d) - Math.abs(x.d));
    const shown = rows.slice(0, mostTokens);
    for (const {token, b, d} of shown) {
      const row = body.insertRow();
      cell(row, token.window, token.window);
      cell(row, token.position, token.position);
      cell(row, JSON.stringify(token.text), token.text, 'name');
      cell(row, token.log_p.toFixed(6), token.log_p);
      cell(row, b.toFixed(6), b);
      cell(row, significant(d), d);
      cell(row, Math.exp(Math.min(10, Math.max(-10, d))).toFixed(6), d);
    }
    document.getElementById('tokens').tBodies[0].replaceChildren(...body.rows);
    document.getElementById('tokens-note').textContent =
        (differ === 0 ? 'No token differs. ' : differ + ' of ' + rows.length + ' tokens differ; those with the largest |d| first. ') +
        (shown.length < rows.length ? 'The list holds ' + shown.length + '; the data of this page has all. ' : '') +
        'Click a column\u2019s head to sort by it.';
  }

  const select = document.getElementById('pair');
  differs.forEach((each, i) => select.add(new Option(each.name, i)));
  page.sortable(document.getElementById('operators'));
  page.sortable(document.getElementById('tokens'));
  const draw = page.keepDrawn(() => {
    listOperators();
    listTokens();
    return [...distributionCharts(), ...pathChart()];
  });
  select.addEventListener('change', () => { pair = differs[select.selectedIndex]; draw(); });
})();
