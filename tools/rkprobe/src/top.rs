// SPDX-License-Identifier: GPL-2.0

//! The full-screen view: what it knows, what keys do, and how it is drawn.

use crate::probes::{Probe, Site};
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Table, TableState};
use ratatui::Frame;
use std::collections::{HashMap, VecDeque};

/// How many rates are kept for the small charts.
const HISTORY: usize = 12;

/// A probe and its rate.
#[derive(Clone, Debug)]
pub struct Entry {
    probe: Probe,
    sites: Vec<Site>,
    hits: u64,
    missed: u64,
    rate: f64,
    history: VecDeque<f64>,
}

impl Entry {
    fn state(&self) -> String {
        match self.sites.as_slice() {
            [] => "-".to_owned(),
            [site] => site.state.clone(),
            [first, rest @ ..] => match rest.iter().all(|site| site.state == first.state) {
                true => format!("{} {}", self.sites.len(), first.state),
                false => format!("{} mixed", self.sites.len()),
            },
        }
    }

    fn is_enabled(&self) -> bool {
        self.sites
            .iter()
            .any(|site| site.state != "disabled" && site.state != "gone")
    }

    /// The last rates as a small chart.
    fn chart(&self) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let most = self.history.iter().copied().fold(1.0, f64::max);
        let bar = |rate: &f64| BARS[((rate / most * 7.0).round() as usize).min(7)];
        self.history.iter().map(bar).collect()
    }
}

/// The column that the table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Hits a second.
    Rate,
    /// All hits.
    Hits,
    /// Hits that called no handler.
    Missed,
    /// The name.
    Name,
}

/// What keys mean now.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mode {
    Table,
    Filter,
    Help,
    Details,
    /// Removal of this probe is asked for.
    Confirm(String),
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// End.
    Quit,
    /// Enable or disable a probe.
    Switch(String, bool),
    /// Remove a probe.
    Remove(String),
}

/// The state of the view.
pub struct Top {
    entries: Vec<Entry>,
    sort: Sort,
    filter: String,
    mode: Mode,
    /// The name of the selected probe.
    selected: Option<String>,
    /// The result of the last action.
    pub message: Option<String>,
    colour: bool,
}

impl Top {
    /// A view without probes.
    pub fn new(colour: bool) -> Self {
        Self {
            entries: Vec::new(),
            sort: Sort::Rate,
            filter: String::new(),
            mode: Mode::Table,
            selected: None,
            message: None,
            colour,
        }
    }

    /// Takes new counts. `seconds` have passed since the last ones, 0 for the first.
    pub fn update(&mut self, probes: Vec<Probe>, profile: Vec<(String, Site)>, seconds: f64) {
        let mut sites: HashMap<String, Vec<Site>> = HashMap::new();
        for (name, site) in profile {
            sites.entry(name).or_default().push(site);
        }
        let mut before: HashMap<String, Entry> = self
            .entries
            .drain(..)
            .map(|entry| (entry.probe.name.clone(), entry))
            .collect();
        for probe in probes {
            let sites = sites.remove(&probe.name).unwrap_or_default();
            let hits = sites.iter().map(|site| site.hits).sum();
            let missed = sites.iter().map(|site| site.missed).sum();
            let old = before.remove(&probe.name);
            let mut history = VecDeque::new();
            let mut rate = 0.0;
            if let Some(old) = old.filter(|_| seconds > 0.0) {
                // A probe that was removed and made again has fewer hits.
                rate = u64::saturating_sub(hits, old.hits) as f64 / seconds;
                history = old.history;
                history.push_back(rate);
                if history.len() > HISTORY {
                    history.pop_front();
                }
            }
            self.entries.push(Entry {
                probe,
                sites,
                hits,
                missed,
                rate,
                history,
            });
        }
        self.order();
    }

    fn order(&mut self) {
        let name = |one: &Entry, other: &Entry| one.probe.name.cmp(&other.probe.name);
        match self.sort {
            Sort::Rate => self.entries.sort_by(|one, other| {
                other
                    .rate
                    .total_cmp(&one.rate)
                    .then_with(|| name(one, other))
            }),
            Sort::Hits => self
                .entries
                .sort_by(|one, other| other.hits.cmp(&one.hits).then_with(|| name(one, other))),
            Sort::Missed => {
                self.entries.sort_by(|one, other| {
                    other.missed.cmp(&one.missed).then_with(|| name(one, other))
                });
            }
            Sort::Name => self.entries.sort_by(name),
        }
    }

    fn shown(&self) -> Vec<&Entry> {
        let matches = |entry: &&Entry| {
            entry.probe.name.contains(&self.filter) || entry.probe.target.contains(&self.filter)
        };
        self.entries.iter().filter(matches).collect()
    }

    /// The index of the selected probe: the first one if it is not there.
    fn index(&self, shown: &[&Entry]) -> usize {
        let selected = self.selected.as_deref();
        let found = shown
            .iter()
            .position(|entry| Some(entry.probe.name.as_str()) == selected);
        found.unwrap_or(0)
    }

    fn current(&self) -> Option<&Entry> {
        let shown = self.shown();
        shown.get(self.index(&shown)).copied()
    }

    fn go(&mut self, steps: isize) {
        let shown = self.shown();
        let last = shown.len().saturating_sub(1);
        let index = self.index(&shown).saturating_add_signed(steps).min(last);
        self.selected = shown.get(index).map(|entry| entry.probe.name.clone());
    }

    /// What a key does.
    pub fn key(&mut self, key: KeyCode) -> Action {
        match self.mode.clone() {
            Mode::Filter => self.filter_key(key),
            Mode::Help => self.mode = Mode::Table,
            Mode::Confirm(name) => {
                self.mode = Mode::Table;
                if key == KeyCode::Char('y') {
                    return Action::Remove(name);
                }
            }
            Mode::Table | Mode::Details => return self.table_key(key),
        }
        Action::None
    }

    fn filter_key(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char(letter) => self.filter.push(letter),
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Table;
            }
            _ => self.mode = Mode::Table,
        }
    }

    fn table_key(&mut self, key: KeyCode) -> Action {
        self.message = None;
        match key {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Esc if self.mode == Mode::Details => self.mode = Mode::Table,
            KeyCode::Esc => return Action::Quit,
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char('s') => {
                self.sort = match self.sort {
                    Sort::Rate => Sort::Hits,
                    Sort::Hits => Sort::Missed,
                    Sort::Missed => Sort::Name,
                    Sort::Name => Sort::Rate,
                };
                self.order();
            }
            KeyCode::Enter => {
                self.mode = match self.mode {
                    Mode::Details => Mode::Table,
                    _ => Mode::Details,
                };
            }
            KeyCode::Char('j') | KeyCode::Down => self.go(1),
            KeyCode::Char('k') | KeyCode::Up => self.go(-1),
            KeyCode::PageDown => self.go(10),
            KeyCode::PageUp => self.go(-10),
            KeyCode::Char('e') => {
                if let Some(entry) = self.current() {
                    return Action::Switch(entry.probe.name.clone(), !entry.is_enabled());
                }
            }
            KeyCode::Char('d') | KeyCode::Delete => {
                if let Some(entry) = self.current() {
                    self.mode = Mode::Confirm(entry.probe.name.clone());
                }
            }
            _ => {}
        }
        Action::None
    }

    fn style(&self, colour: Color) -> Style {
        match self.colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    /// Draws the view.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let areas = Layout::vertical([
            Constraint::Length(1),
            Constraint::Min(0),
            Constraint::Length(1),
        ]);
        let [head, body, foot] = areas.areas(frame.area());
        let rate: f64 = self.entries.iter().map(|entry| entry.rate).sum();
        let title = format!(
            "rkprobe  {} probes  {} hits/s",
            self.entries.len(),
            short(rate)
        );
        let bold = Style::new().add_modifier(Modifier::BOLD);
        frame.render_widget(Line::styled(title, bold), head);
        match self.mode {
            Mode::Details => self.draw_details(frame, body),
            _ => self.draw_table(frame, body),
        }
        frame.render_widget(self.foot(), foot);
        if self.mode == Mode::Help {
            draw_help(frame);
        }
    }

    fn foot(&self) -> Line<'_> {
        match (&self.mode, &self.message) {
            (Mode::Confirm(name), _) => Line::styled(
                format!("remove {name}? y/n"),
                Style::new().add_modifier(Modifier::REVERSED),
            ),
            (Mode::Filter, _) => Line::raw(format!("/{}", self.filter)),
            (_, Some(message)) => Line::styled(message.as_str(), self.style(Color::Red)),
            _ if self.entries.is_empty() => Line::raw("no probes: rkprobe add TARGET"),
            _ => Line::styled(
                "? help  q quit  / filter  s sort  e enable  d delete",
                self.style(Color::DarkGray),
            ),
        }
    }

    fn draw_table(&self, frame: &mut Frame<'_>, area: Rect) {
        let shown = self.shown();
        let head = |sort, text: &'static str| match self.sort == sort {
            true => format!("{text}↓"),
            false => text.to_owned(),
        };
        // What a narrow terminal has no room for is left out.
        let width = area.width;
        let (chart, missed, state, target) = (width >= 70, width >= 60, width >= 40, width >= 70);
        let mut heads = vec![format!("{:>7}", head(Sort::Rate, "HITS/S"))];
        let mut widths = vec![Constraint::Length(7)];
        let mut column = |shown: bool, text: String, width| {
            if shown {
                heads.push(text);
                widths.push(width);
            }
        };
        column(chart, String::new(), Constraint::Length(12));
        column(
            state,
            format!("{:>7}", head(Sort::Hits, "HITS")),
            Constraint::Length(7),
        );
        column(
            missed,
            format!("{:>7}", head(Sort::Missed, "MISSED")),
            Constraint::Length(7),
        );
        column(state, "STATE".to_owned(), Constraint::Length(12));
        column(true, head(Sort::Name, "NAME"), Constraint::Min(8));
        column(target, "TARGET".to_owned(), Constraint::Min(8));
        let row = |entry: &&Entry| {
            let state_text = entry.state();
            let colour = match state_text.rsplit(' ').next() {
                Some("optimized" | "ftrace") => Color::Green,
                Some("disabled" | "gone") => Color::DarkGray,
                _ => Color::Yellow,
            };
            let mut cells = vec![Cell::from(format!("{:>7}", short(entry.rate)))];
            let mut cell = |shown: bool, cell: Cell<'static>| {
                if shown {
                    cells.push(cell);
                }
            };
            cell(
                chart,
                Cell::from(format!("{:>12}", entry.chart())).style(self.style(Color::Cyan)),
            );
            cell(
                state,
                Cell::from(format!("{:>7}", short(entry.hits as f64))),
            );
            cell(
                missed,
                Cell::from(format!("{:>7}", short(entry.missed as f64))),
            );
            cell(state, Cell::from(state_text).style(self.style(colour)));
            cell(true, Cell::from(entry.probe.name.clone()));
            cell(target, Cell::from(entry.probe.target.clone()));
            Row::new(cells)
        };
        let rows: Vec<Row<'_>> = shown.iter().map(row).collect();
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let table = Table::new(rows, widths)
            .header(Row::new(heads).style(bold))
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
        let selected = (!shown.is_empty()).then(|| self.index(&shown));
        let mut state = TableState::new().with_selected(selected);
        frame.render_stateful_widget(table, area, &mut state);
    }

    fn draw_details(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some(entry) = self.current() else {
            return;
        };
        let probe = &entry.probe;
        let mut lines = vec![
            Line::raw(format!("{}:{} {}", probe.kind, probe.name, probe.target)),
            Line::raw(format!(
                "hits {}  missed {}  limit {}",
                entry.hits, entry.missed, probe.limit
            )),
        ];
        let mut sites: Vec<&Site> = entry.sites.iter().collect();
        sites.sort_by_key(|site| std::cmp::Reverse(site.hits));
        for site in sites {
            lines.push(Line::raw(format!(
                "{:>12}  {:<12} {}  {}",
                site.hits, site.state, site.target, site.reason
            )));
        }
        frame.render_widget(Paragraph::new(lines), area);
    }
}

fn draw_help(frame: &mut Frame<'_>) {
    let lines = [
        "j k  select",
        "enter details",
        "s  sort by next",
        "/  filter",
        "e  enable, disable",
        "d  remove",
        "q  quit",
    ];
    let area = frame.area();
    let width = 24.min(area.width);
    let height = 9.min(area.height);
    let area = Rect {
        x: (area.width - width) / 2,
        y: (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, area);
    let lines: Vec<Line<'_>> = lines.into_iter().map(Line::raw).collect();
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title("keys")),
        area,
    );
}

/// A number in at most 6 columns.
fn short(number: f64) -> String {
    match number {
        number if number < 100_000.0 => format!("{number:.0}"),
        number if number < 1e7 => format!("{:.0}k", number / 1e3),
        number if number < 1e10 => format!("{:.0}M", number / 1e6),
        number => format!("{:.0}G", number / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::backend::TestBackend;
    use ratatui::Terminal;

    fn recorded(hits: u64) -> (Vec<Probe>, Vec<(String, Site)>) {
        let probes = [
            "c:reads vfs_read",
            "p:mid vfs_write+0x9 limit=100",
            "c:some v:work,v:loop",
        ];
        let site = |name: &str, line: String| (name.to_owned(), Site::parse(&line).unwrap());
        let sites = vec![
            site(
                "reads",
                format!("0x1 vfs_read+0x4 ftrace {hits} 0 the function tracer calls it"),
            ),
            site(
                "mid",
                format!("0x2 vfs_write+0x9 optimized {} 3 -", hits * 2),
            ),
            site(
                "some",
                "0x3 v:work+0x0 armed 7 0 optimization is switched off".to_owned(),
            ),
            site("some", "0x4 v:loop+0x0 optimized 8 0 -".to_owned()),
        ];
        (
            probes
                .iter()
                .filter_map(|line| Probe::parse(line))
                .collect(),
            sites,
        )
    }

    fn top() -> Top {
        let mut top = Top::new(false);
        for hits in [100, 200, 600] {
            let (probes, sites) = recorded(hits);
            let seconds = if hits == 100 { 0.0 } else { 2.0 };
            top.update(probes, sites, seconds);
        }
        top
    }

    fn screen(top: &Top, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| top.draw(frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| {
            (0..width)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<String>()
        };
        (0..height).map(|y| row(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn the_table_fits_a_terminal() {
        let screen = screen(&top(), 80, 24);
        assert_eq!(screen[0], "rkprobe  3 probes  600 hits/s");
        assert_eq!(
            screen[1],
            "HITS/S↓                 HITS  MISSED STATE        NAME            TARGET"
        );
        assert_eq!(
            screen[2],
            "    400           ▃█    1200       3 optimized    mid             vfs_write+0x9"
        );
        assert_eq!(
            screen[3],
            "    200           ▃█     600       0 ftrace       reads           vfs_read"
        );
        assert_eq!(
            screen[4],
            "      0           ▁▁      15       0 2 mixed      some            v:work,v:loop"
        );
        assert_eq!(
            screen[23],
            "? help  q quit  / filter  s sort  e enable  d delete"
        );
    }

    #[test]
    fn the_table_fits_a_tiny_terminal() {
        let screen = screen(&top(), 20, 5);
        assert_eq!(screen[0], "rkprobe  3 probes  6");
        assert_eq!(screen[1], "HITS/S↓ NAME");
        assert_eq!(screen[2], "    400 mid");
        assert_eq!(screen[3], "    200 reads");
        assert_eq!(screen[4], "? help  q quit  / fi");
    }

    #[test]
    fn keys_sort_filter_and_show_details() {
        let mut top = top();
        assert_eq!(top.key(KeyCode::Char('/')), Action::None);
        for letter in "some".chars() {
            top.key(KeyCode::Char(letter));
        }
        assert_eq!(screen(&top, 80, 24)[23], "/some");
        top.key(KeyCode::Enter);
        assert!(screen(&top, 80, 24)[2].contains(" some "));
        top.key(KeyCode::Enter);
        let details = screen(&top, 80, 24);
        assert_eq!(details[1], "c:some v:work,v:loop");
        assert_eq!(details[3], "           8  optimized    v:loop+0x0  -");
        assert_eq!(top.key(KeyCode::Esc), Action::None);
        top.key(KeyCode::Char('/'));
        top.key(KeyCode::Esc);
        for _ in 0..3 {
            top.key(KeyCode::Char('s'));
        }
        assert!(screen(&top, 80, 24)[2].contains(" mid "));
        top.key(KeyCode::Char('?'));
        assert!(screen(&top, 80, 24)
            .iter()
            .any(|line| line.contains("keys")));
        screen(&top, 20, 5);
        screen(&top, 1, 1);
    }

    #[test]
    fn removal_is_confirmed_and_the_selection_follows_its_probe() {
        let mut top = top();
        top.key(KeyCode::Down);
        assert_eq!(top.key(KeyCode::Char('d')), Action::None);
        assert_eq!(screen(&top, 80, 24)[23], "remove reads? y/n");
        assert_eq!(top.key(KeyCode::Char('n')), Action::None);
        top.key(KeyCode::Char('d'));
        assert_eq!(
            top.key(KeyCode::Char('y')),
            Action::Remove("reads".to_owned())
        );
        assert_eq!(
            top.key(KeyCode::Char('e')),
            Action::Switch("reads".to_owned(), false)
        );
        top.key(KeyCode::Down);
        top.key(KeyCode::Down);
        assert_eq!(
            top.key(KeyCode::Char('e')),
            Action::Switch("some".to_owned(), false)
        );
        assert_eq!(top.key(KeyCode::Char('q')), Action::Quit);
        let mut empty = Top::new(true);
        for key in ['e', 'd', 'j', 'k'] {
            assert_eq!(empty.key(KeyCode::Char(key)), Action::None);
        }
        assert!(screen(&empty, 80, 24)[23].starts_with("no probes"));
    }
}
