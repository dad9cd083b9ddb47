"""What commands print: no name is cut, a pipe has no width, data cannot steer the terminal."""

from pathlib import Path

from syco_data.commands import output

ROOT = Path(__file__).resolve().parents[2]
NAME = "a_name_of_a_model_that_is_longer_than_a_narrow_terminal_has_columns" * 2


def shown(monkeypatch, capsys, columns: str | None) -> str:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    table = output.table("name", "count", right=("count",))
    table.add_row(NAME, "1")
    output.show(table)
    return capsys.readouterr().out


def test_a_pipe_is_as_wide_as_its_lines_and_has_no_trailing_blanks(monkeypatch, capsys):
    assert shown(monkeypatch, capsys, None).splitlines() == [f"name{' ' * (len(NAME) - 4)}  count", f"{NAME}      1"]


def test_a_name_is_wrapped_and_never_cut(monkeypatch, capsys):
    text = shown(monkeypatch, capsys, "40")
    assert max(map(len, text.splitlines())) <= 40 and "\u2026" not in text
    assert "".join(line.split()[0] for line in text.splitlines()[1:]) == NAME


def test_no_module_of_the_commands_makes_tables_of_its_own():
    folder = ROOT / "syco_data/commands"
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    # The bar of `sources check` goes to the other stream.
    own = sorted(name for name, text in texts.items() if "Table(" in text or "Console(" in text)
    assert own == ["output.py", "sources.py"]


def test_markup_and_control_characters_of_data_stay_text(capsys):
    output.show(output.safe("[bold]x[/bold] \x1b[31m\nsecond"))
    assert capsys.readouterr().out == "[bold]x[/bold] \\x1b[31m\nsecond\n"
