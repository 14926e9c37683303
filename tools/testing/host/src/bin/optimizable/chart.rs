// SPDX-License-Identifier: GPL-2.0

//! The bar chart: the shares of both sets of rules, and the breakpoints that remain.

use crate::survey::{Count, Survey};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use rkprobes_host::stock::Kernel;
use std::error::Error;
use std::path::Path;

const SIZE: (u32, u32) = (900, 330);
const LEFT: i32 = 190;
const WIDTH: i32 = 660;
const TOP: i32 = 60;
const STEP: i32 = 56;
const BAR: i32 = 34;
const ONE: RGBColor = RGBColor(0x1b, 0x6c, 0xa8);
const SEVERAL: RGBColor = RGBColor(0x7f, 0xb3, 0xd5);
const STAYS: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Writes the chart to `path`.
pub fn draw(path: &Path, kernel: &Kernel, survey: &Survey) -> Result<(), Box<dyn Error>> {
    let mut svg = String::from("<!-- SPDX-License-Identifier: GPL-2.0 -->\n");
    let mut drawn = String::new();
    paint(
        &SVGBackend::with_string(&mut drawn, SIZE).into_drawing_area(),
        kernel,
        survey,
    )?;
    svg.push_str(&drawn);
    Ok(std::fs::write(path, svg)?)
}

fn paint(area: &Area<'_>, kernel: &Kernel, survey: &Survey) -> Result<(), Box<dyn Error>> {
    area.fill(&WHITE)?;
    let title = format!("Where a probe can be a jump, Linux {}", kernel.release());
    text(area, &title, (LEFT, 18), 20, HPos::Left)?;
    let bars = [
        ("ours, all", &survey.ours.all),
        ("mainline, all", &survey.mainline.all),
        ("ours, 5th", &survey.ours.fifth),
        ("mainline, 5th", &survey.mainline.fifth),
    ];
    for (at, (name, count)) in (0..).zip(bars) {
        bar(area, name, count, TOP + at * STEP)?;
    }
    legend(area, TOP + 4 * STEP + 4)?;
    area.present()?;
    Ok(())
}

/// One bar: regions of one instruction, regions of several, and the breakpoints that remain.
fn bar(area: &Area<'_>, name: &str, count: &Count, top: i32) -> Result<(), Box<dyn Error>> {
    let scale = |part: u64| (part as f64 * f64::from(WIDTH) / count.probeable.max(1) as f64) as i32;
    let (one, all) = (LEFT + scale(count.single), LEFT + scale(count.optimizable));
    text(area, name, (LEFT - 10, top + BAR / 2 - 8), 16, HPos::Right)?;
    for (from, to, color) in [
        (LEFT, one, ONE),
        (one, all, SEVERAL),
        (all, LEFT + WIDTH, STAYS),
    ] {
        area.draw(&Rectangle::new(
            [(from, top), (to, top + BAR)],
            color.filled(),
        ))?;
    }
    let percent = format!("{:.1} %", count.percent());
    text(
        area,
        &percent,
        (all - 8, top + BAR / 2 - 8),
        16,
        HPos::Right,
    )
}

fn legend(area: &Area<'_>, top: i32) -> Result<(), Box<dyn Error>> {
    let words = [
        (ONE, "jump over one instruction"),
        (SEVERAL, "over several"),
        (STAYS, "stays a breakpoint"),
    ];
    for (at, (color, word)) in (0..).zip(words) {
        let left = LEFT + at * 230;
        area.draw(&Rectangle::new(
            [(left, top), (left + 14, top + 14)],
            color.filled(),
        ))?;
        text(area, word, (left + 22, top), 14, HPos::Left)?;
    }
    Ok(())
}

fn text(
    area: &Area<'_>,
    words: &str,
    at: (i32, i32),
    size: i32,
    side: HPos,
) -> Result<(), Box<dyn Error>> {
    let style = TextStyle::from(("sans-serif", size).into_font()).pos(Pos::new(side, VPos::Top));
    area.draw(&Text::new(words.to_string(), at, style))?;
    Ok(())
}
