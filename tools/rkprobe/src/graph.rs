// SPDX-License-Identifier: GPL-2.0

//! The control-flow graph of a function as SVG, coloured by heat.

use crate::heat::{Heat, Hot};
use std::collections::BTreeMap;
use std::fmt::Write;

const LINE: f64 = 15.0;
const CHARACTER: f64 = 7.3;
const PADDING: f64 = 8.0;
const GAP_X: f64 = 40.0;
const GAP_Y: f64 = 46.0;
/// The most lines of a block that are shown.
const LINES: usize = 12;

/// Fill and text for a block that never ran, and for the levels of heat.
const NEVER: (&str, &str) = ("#eceff1", "#78909c");
const LEVELS: [(&str, &str); 5] = [
    ("#e3f2fd", "#000"),
    ("#b3e5fc", "#000"),
    ("#fff59d", "#000"),
    ("#ffb74d", "#000"),
    ("#e53935", "#fff"),
];

struct Node<'a> {
    hot: &'a Hot,
    text: Vec<String>,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The row of each block: one below the lowest block that goes to it. Edges to earlier blocks, which
/// close loops, do not count.
fn ranks(heat: &Heat) -> BTreeMap<u64, usize> {
    let mut ranks: BTreeMap<u64, usize> =
        heat.blocks.iter().map(|hot| (hot.block.start, 0)).collect();
    for hot in &heat.blocks {
        let below = ranks.get(&hot.block.start).map_or(0, |rank| rank + 1);
        for next in hot
            .block
            .successors
            .iter()
            .filter(|next| **next > hot.block.start)
        {
            if let Some(rank) = ranks.get_mut(next) {
                *rank = below.max(*rank);
            }
        }
    }
    ranks
}

fn label(heat: &Heat, hot: &Hot) -> Vec<String> {
    let count = match hot.hits {
        None => "no probe".to_owned(),
        Some(0) => "never ran".to_owned(),
        Some(hits) => match heat.share(hits) {
            Some(share) => format!("{hits} hits, {share:.1}%"),
            None => format!("{hits} hits"),
        },
    };
    let mut text = vec![format!("+{:#x}: {count}", hot.block.start)];
    for index in hot.block.insns.clone().take(LINES) {
        let line = heat.lines.get(index).map_or("", |line| line.text.as_str());
        text.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if hot.block.insns.len() > LINES {
        text.push(format!("... {} more", hot.block.insns.len() - LINES));
    }
    text
}

fn nodes(heat: &Heat) -> (Vec<Node<'_>>, f64, f64) {
    let mut rows: BTreeMap<usize, Vec<Node<'_>>> = BTreeMap::new();
    let ranks = ranks(heat);
    for hot in &heat.blocks {
        let text = label(heat, hot);
        let columns = text
            .iter()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or(0);
        let node = Node {
            width: columns as f64 * CHARACTER + 2.0 * PADDING,
            height: text.len() as f64 * LINE + 2.0 * PADDING,
            text,
            hot,
            x: 0.0,
            y: 0.0,
        };
        rows.entry(ranks[&hot.block.start]).or_default().push(node);
    }
    let width_of = |row: &Vec<Node<'_>>| row.iter().map(|node| node.width + GAP_X).sum::<f64>();
    let width = rows.values().map(width_of).fold(300.0, f64::max) + 2.0 * GAP_X;
    let mut y = 50.0;
    let mut nodes = Vec::new();
    for mut row in rows.into_values() {
        let mut x = (width - width_of(&row)) / 2.0 + GAP_X / 2.0;
        let mut height: f64 = 0.0;
        for node in &mut row {
            (node.x, node.y) = (x, y);
            x += node.width + GAP_X;
            height = height.max(node.height);
        }
        y += height + GAP_Y;
        nodes.extend(row);
    }
    (nodes, width, y)
}

/// The picture.
pub fn svg(heat: &Heat) -> String {
    let (nodes, width, height) = nodes(heat);
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = write_svg(&mut svg, heat, &nodes, width, height);
    svg
}

fn write_svg(
    out: &mut String,
    heat: &Heat,
    nodes: &[Node<'_>],
    width: f64,
    height: f64,
) -> std::fmt::Result {
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"monospace\" font-size=\"12\">"
    )?;
    writeln!(
        out,
        "<defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#546e7a\"/></marker></defs>"
    )?;
    writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>")?;
    let calls = heat
        .entries()
        .map_or("?".to_owned(), |calls| calls.to_string());
    let title = format!(
        "{}: {calls} calls in {:.1} s",
        heat.function.target(),
        heat.seconds
    );
    writeln!(
        out,
        "<text x=\"{GAP_X}\" y=\"28\" font-size=\"15\" font-weight=\"bold\">{}</text>",
        escape(&title)
    )?;
    for node in nodes {
        for next in &node.hot.block.successors {
            if let Some(to) = nodes.iter().find(|to| to.hot.block.start == *next) {
                write_edge(out, node, to)?;
            }
        }
    }
    for node in nodes {
        write_node(out, heat, node)?;
    }
    writeln!(out, "</svg>")
}

fn write_edge(out: &mut String, from: &Node<'_>, to: &Node<'_>) -> std::fmt::Result {
    let (x1, y1) = (from.x + from.width / 2.0, from.y + from.height);
    let (x2, y2) = (to.x + to.width / 2.0, to.y);
    let ran = from.hot.hits.unwrap_or(0) > 0 && to.hot.hits.unwrap_or(0) > 0;
    let stroke = if ran { "#546e7a" } else { "#cfd8dc" };
    let path = match y2 > y1 {
        true => {
            let bend = ((y2 - y1) / 2.0).min(60.0);
            format!(
                "M{x1:.0} {y1:.0}C{x1:.0} {:.0} {x2:.0} {:.0} {x2:.0} {y2:.0}",
                y1 + bend,
                y2 - bend
            )
        }
        // A loop goes around the right side.
        false => {
            let right = (from.x + from.width).max(to.x + to.width) + GAP_X * 0.8;
            format!(
                "M{x1:.0} {y1:.0}C{x1:.0} {:.0} {right:.0} {:.0} {right:.0} {:.0}C{right:.0} {:.0} {x2:.0} {:.0} {x2:.0} {y2:.0}",
                y1 + 30.0, y1 + 30.0, (y1 + y2) / 2.0, y2 - 30.0, y2 - 30.0
            )
        }
    };
    writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.5\" marker-end=\"url(#a)\"/>"
    )
}

fn write_node(out: &mut String, heat: &Heat, node: &Node<'_>) -> std::fmt::Result {
    let level = node.hot.hits.and_then(|hits| heat.level(hits));
    let (fill, ink) = level.map_or(NEVER, |level| LEVELS[usize::from(level.min(4))]);
    let dash = if node.hot.hits.is_none() {
        " stroke-dasharray=\"4\""
    } else {
        ""
    };
    writeln!(
        out,
        "<rect x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{:.0}\" rx=\"4\" fill=\"{fill}\" stroke=\"#546e7a\"{dash}/>",
        node.x, node.y, node.width, node.height
    )?;
    for (index, line) in node.text.iter().enumerate() {
        let weight = if index == 0 {
            " font-weight=\"bold\""
        } else {
            ""
        };
        writeln!(
            out,
            "<text x=\"{:.0}\" y=\"{:.0}\" fill=\"{ink}\"{weight}>{}</text>",
            node.x + PADDING,
            node.y + PADDING + LINE * (index as f64 + 0.8),
            escape(line)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heat::tests::loop_heat;

    #[test]
    fn a_graph_has_a_box_for_each_block_and_a_path_for_each_edge() {
        let svg = svg(&loop_heat());
        assert_eq!(svg.matches("rx=\"4\"").count(), 3);
        assert_eq!(svg.matches("marker-end").count(), 4);
        assert!(svg.contains("+0x7: 20 hits, 1000.0%"));
        assert!(svg.contains("stroke-dasharray"));
        assert!(svg.contains("#e53935"));
        assert!(svg.trim_end().ends_with("</svg>"));
    }
}
