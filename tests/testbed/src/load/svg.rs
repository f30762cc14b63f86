//! Charts of lines over time, as an SVG document.

use std::fmt::Write;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
/// Height of a chart's plot.
const PLOT: f64 = 120.0;
/// Height of a chart with its title and its axis.
const CHART: f64 = 175.0;
const HEADER: f64 = 40.0;
/// Where the plot begins below the chart's upper edge.
const TITLE: f64 = 24.0;
const TIME_TICKS: u32 = 6;
const COLOURS: [&str; 4] = ["#1f77b4", "#ff7f0e", "#d62728", "#7f7f7f"];
const BOUND_COLOUR: &str = "#2ca02c";

/// The scale of a chart's vertical axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// From zero.
    Linear,
    /// In decades; for latencies whose bound is far away.
    Logarithmic,
}

/// One line of a chart; a point is a time in seconds and a value.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// A chart.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) lines: Vec<Line>,
    /// A horizontal line.
    pub(super) bound: Option<f64>,
    pub(super) scale: Scale,
}

/// Draws charts below each other; their time axis ends at `seconds`.
pub(super) fn draw(title: &str, seconds: f64, charts: &[Chart]) -> String {
    let height = HEADER + CHART * charts.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    text(&mut svg, (LEFT, 24.0), "start", "#000", 16, title);
    for (number, chart) in charts.iter().enumerate() {
        let top = HEADER + CHART * number as f64 + TITLE;
        Plot::new(chart, top, seconds).draw(&mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

/// A chart at its place.
struct Plot<'a> {
    chart: &'a Chart,
    top: f64,
    seconds: f64,
    /// The values at the lower and at the upper edge.
    range: (f64, f64),
}

impl<'a> Plot<'a> {
    fn new(chart: &'a Chart, top: f64, seconds: f64) -> Self {
        let values = chart.lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
        let values = values.chain(chart.bound).filter(|value| value.is_finite() && *value > 0.0);
        let (least, most) = values.fold((f64::MAX, 0.0), |(least, most), value| (value.min(least), value.max(most)));
        let range = match chart.scale {
            _ if most <= 0.0 => (0.1, 1.0),
            Scale::Linear => (0.0, most * 1.05),
            Scale::Logarithmic => {
                let (low, high) = (decade(least.log10().floor()), decade(most.log10().ceil()));
                if low < high { (low, high) } else { (low, low * 10.0) }
            }
        };
        Self { chart, top, seconds: seconds.max(f64::MIN_POSITIVE), range }
    }

    fn draw(&self, svg: &mut String) {
        self.axes(svg);
        text(svg, (LEFT, self.top - 8.0), "start", "#000", 13, &self.chart.title);
        for (number, line) in self.chart.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let x = WIDTH - RIGHT - 50.0 * (self.chart.lines.len() - number) as f64;
            text(svg, (x + 50.0, self.top - 8.0), "end", colour, 12, line.name);
            let points: Vec<_> = line.points.iter().map(|(at, value)| (self.x(*at), self.y(*value))).collect();
            if let [(x, y)] = points.as_slice() {
                let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\" fill=\"{colour}\"/>");
                continue;
            }
            let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let points = points.join(" ");
            let _ =
                writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>");
        }
        if let Some(bound) = self.chart.bound {
            let y = self.y(bound);
            let _ = writeln!(
                svg,
                "<line class=\"bound\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{BOUND_COLOUR}\" \
                 stroke-dasharray=\"6 4\"/>",
                WIDTH - RIGHT
            );
        }
    }

    fn axes(&self, svg: &mut String) {
        let bottom = self.top + PLOT;
        for value in self.ticks() {
            let y = self.y(value);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>",
                WIDTH - RIGHT
            );
            text(svg, (LEFT - 6.0, y + 4.0), "end", "#555", 11, &format!("{value}"));
        }
        for tick in 0..=TIME_TICKS {
            let at = self.seconds * f64::from(tick) / f64::from(TIME_TICKS);
            text(svg, (self.x(at), bottom + 16.0), "middle", "#555", 11, &format!("{at:.0} s"));
        }
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{}\" width=\"{}\" height=\"{PLOT}\" fill=\"none\" stroke=\"#999\"/>",
            self.top,
            WIDTH - LEFT - RIGHT
        );
    }

    /// The values at which the vertical axis is labelled.
    fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.range;
        match self.chart.scale {
            Scale::Logarithmic => {
                let (first, last) = (low.log10().round() as i32, high.log10().round() as i32);
                (first..=last).map(|exponent| decade(f64::from(exponent))).collect()
            }
            Scale::Linear => {
                let step = decade(high.log10().floor());
                let step = if high / step < 2.5 { step / 2.0 } else { step };
                (0..=(high / step) as u32).map(|number| step * f64::from(number)).collect()
            }
        }
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (at / self.seconds).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        let share = match self.chart.scale {
            Scale::Linear => (value - low) / (high - low),
            Scale::Logarithmic => (value.max(low).log10() - low.log10()) / (high.log10() - low.log10()),
        };
        self.top + PLOT * (1.0 - share.clamp(0.0, 1.0))
    }
}

fn decade(exponent: f64) -> f64 {
    10_f64.powf(exponent)
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, size: u8, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\" font-size=\"{size}\">{content}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, values: &[f64], bound: Option<f64>) -> Chart {
        let points = values.iter().enumerate().map(|(number, value)| (number as f64 * 10.0, *value)).collect();
        Chart { title: "a < b & c".to_owned(), lines: vec![Line { name: "p95", points }], bound, scale }
    }

    /// The heights of the only line's points.
    fn heights(svg: &str) -> Vec<f64> {
        let document = roxmltree::Document::parse(svg).unwrap();
        let line = document.descendants().find(|node| node.has_tag_name("polyline")).unwrap();
        let points = line.attribute("points").unwrap().split(' ');
        points.map(|point| point.split_once(',').unwrap().1.parse().unwrap()).collect()
    }

    fn bound_height(svg: &str) -> f64 {
        let document = roxmltree::Document::parse(svg).unwrap();
        let line = document.descendants().find(|node| node.attribute("class") == Some("bound")).unwrap();
        line.attribute("y1").unwrap().parse().unwrap()
    }

    #[test]
    fn text_is_escaped() {
        let svg = draw("x > y", 60.0, &[chart(Scale::Linear, &[1.0, 2.0], None)]);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let texts: Vec<_> = document.descendants().filter_map(|node| node.text()).collect();
        assert!(texts.contains(&"x > y") && texts.contains(&"a < b & c"), "{texts:?}");
    }

    #[test]
    fn higher_values_are_drawn_higher_within_the_plot() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let heights = heights(&draw("", 60.0, &[chart(scale, &[5.0, 50.0, 500.0], None)]));
            assert!(heights[0] > heights[1] && heights[1] > heights[2], "{heights:?}");
            let top = HEADER + TITLE;
            assert!(heights.iter().all(|y| (top..=top + PLOT).contains(y)), "{heights:?}");
        }
    }

    #[test]
    fn a_decade_has_the_same_height_everywhere_on_a_logarithmic_scale() {
        let heights = heights(&draw("", 60.0, &[chart(Scale::Logarithmic, &[1.0, 10.0, 100.0], None)]));
        assert!((heights[0] - heights[1] - (heights[1] - heights[2])).abs() < 0.2, "{heights:?}");
    }

    #[test]
    fn a_bound_beyond_all_values_is_in_the_picture() {
        let svg = draw("", 60.0, &[chart(Scale::Logarithmic, &[5.0, 7.0], Some(500.0))]);
        assert!(heights(&svg).iter().all(|y| *y > bound_height(&svg)));
        assert!(bound_height(&svg) >= HEADER + TITLE);
    }

    #[test]
    fn what_cannot_be_scaled_is_drawn_as_well() {
        for values in [&[][..], &[0.0], &[0.0, 0.0], &[f64::NAN, 1.0], &[3.0, 3.0]] {
            for scale in [Scale::Linear, Scale::Logarithmic] {
                let svg = draw("", 0.0, &[chart(scale, values, None)]);
                assert!(roxmltree::Document::parse(&svg).is_ok(), "{svg}");
            }
        }
    }
}
