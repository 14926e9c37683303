// SPDX-License-Identifier: GPL-2.0

//! Counts the addresses of a kernel that can be probed, and those whose breakpoint can become a
//! jump, by the rules of mainline and by our rules.
//!
//! `optimizable [DIRECTORY]` prints the figures and, with a directory, writes its
//! `optimizable.rst`, `optimizable.svg` and `optimizable-unsafe.txt`. `optimizable --sites SEED`
//! prints a thousand addresses with the result of both sets of rules. A running kernel that was
//! booted with `nokaslr` can be asked for these addresses.

mod chart;
mod mainline;
mod report;
mod survey;
mod tables;

use rkprobes_host::stock::Kernel;
use std::path::Path;
use survey::{Site, Survey};
use tables::Tables;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut kernel = Kernel::open(&Kernel::lab_image())?;
    let mut arguments = std::env::args().skip(1);
    let directory = match (arguments.next(), arguments.next()) {
        (Some(option), Some(seed)) if option == "--sites" => {
            kernel.patch_returns();
            let survey = Survey::of(&kernel, &Tables::read(&kernel)?);
            print!("{}", report::sites(&sample(&survey, seed.parse()?)));
            return Ok(());
        }
        (directory, _) => directory,
    };
    let survey = Survey::of(&kernel, &Tables::read(&kernel)?);
    print!("{}", report::text(&kernel, &survey));
    if let Some(directory) = directory {
        let directory = Path::new(&directory);
        let list = report::unsafe_list(&kernel, &survey);
        std::fs::write(directory.join("optimizable-unsafe.txt"), list)?;
        chart::draw(&directory.join("optimizable.svg"), &kernel, &survey)?;
        kernel.patch_returns();
        let patched = Survey::of(&kernel, &Tables::read(&kernel)?);
        let page = report::rst(&kernel, &survey, &patched);
        std::fs::write(directory.join("optimizable.rst"), page)?;
    }
    println!("{}", report::last_line(&survey));
    Ok(())
}

/// A thousand of the sampled sites, chosen by `seed`.
fn sample(survey: &Survey, seed: u64) -> Vec<&Site> {
    let mut chosen: Vec<_> = survey.sample.iter().collect();
    // After multiplication by an odd number the low bits of the addresses have another order.
    let multiplier = (seed << 1 | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    chosen.sort_by_key(|site| site.addr.wrapping_mul(multiplier).rotate_left(32));
    chosen.truncate(1000);
    chosen.sort_by_key(|site| site.addr);
    chosen
}
