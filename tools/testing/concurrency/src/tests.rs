// SPDX-License-Identifier: GPL-2.0

//! No execution of a scenario fails, and each defect makes one fail.

use crate::explore::explore;
use crate::mutants::all;
use crate::scenarios::SCENARIOS;

#[test]
fn no_execution_fails() {
    for scenario in SCENARIOS {
        let begin = std::time::Instant::now();
        match explore(*scenario, 0) {
            Ok(executions) => println!(
                "{}: {executions} executions in {:.1?}",
                scenario.name,
                begin.elapsed()
            ),
            Err(failure) => panic!("{}: {failure}", scenario.name),
        }
    }
}

#[test]
fn each_defect_is_found() {
    let mut wrong = 0;
    for (number, mutant) in all() {
        let scenario = SCENARIOS
            .iter()
            .find(|scenario| scenario.name == mutant.scenario);
        let scenario = scenario.unwrap_or_else(|| panic!("no scenario: {}", mutant.scenario));
        let how = match explore(*scenario, number) {
            Ok(_) => "not found".to_string(),
            Err(failure) if failure.contains(mutant.found) => continue,
            Err(failure) => failure,
        };
        println!("{}: {how}", mutant.name);
        wrong += 1;
    }
    assert_eq!(wrong, 0, "defects that are not found as they should be");
}
