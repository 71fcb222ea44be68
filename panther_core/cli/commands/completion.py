"""`panther completion`: a script that makes a shell complete PANTHER's commands and options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping

import attrs

from panther_core.cli.console import Console
from panther_hookspecs import CommandDescriptor

SHELLS = ("bash", "zsh", "fish")


@attrs.frozen(kw_only=True)
class Completable:
    """What can be typed after one command."""

    name: str
    summary: str
    options: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    """What may follow an option that has a choice."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a shell."""
    parser.add_argument("shell", choices=SHELLS, help="load it with: source <(panther completion bash)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Print the script."""
    from panther_core.cli.main import command_parser, global_parser  # noqa: PLC0415 - main imports this module by way of the plugins

    commands = [
        _completable(command_parser(each), each.name, each.summary)
        for each in console.load("commands").registry.all(CommandDescriptor)
    ]
    top = _completable(global_parser(), "", "")
    console.stdout.write({"bash": bash, "zsh": zsh, "fish": fish}[args.shell](top, commands))
    return 0


def _completable(parser: argparse.ArgumentParser, name: str, summary: str) -> Completable:
    """Read options and fixed words from a parser; the private list of actions is the only place that has them."""
    options: list[str] = []
    words: list[str] = []
    values: dict[str, tuple[str, ...]] = {}
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to ask
        if action.help == argparse.SUPPRESS:
            continue
        options += action.option_strings
        if action.option_strings and action.choices:
            values |= dict.fromkeys(action.option_strings, tuple(str(each) for each in action.choices))
        if not action.option_strings and action.choices:
            words += [str(each) for each in action.choices]
    return Completable(name=name, summary=summary, options=tuple(options), words=tuple(words), values=values)


def bash(top: Completable, commands: list[Completable]) -> str:
    """Return the script for bash."""
    cases = "\n".join(f"        {each.name}) words='{' '.join((*each.words, *each.options))}' ;;" for each in commands)
    names = " ".join(each.name for each in commands)
    values = _value_cases(commands, "words='{}'")
    return f"""\
_panther() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} command='' words='' each files=()
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case " {names} " in *" $each "*) command=$each; break ;; esac
    done
    case "$command" in
        '') words='{names} {" ".join(top.options)}' ;;
{cases}
    esac
    case "$command ${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
        *) mapfile -t files < <([[ -n $command && $current != -* ]] && compgen -f -- "$current") ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    COMPREPLY+=("${{files[@]}}")
}}
complete -o filenames -F _panther panther
"""


def zsh(top: Completable, commands: list[Completable]) -> str:
    """Return the script for zsh."""
    names = "\n".join(f"        '{each.name}:{_quoted(each.summary, ':')}'" for each in commands)
    cases = "\n".join(
        f"        {each.name}) words_of=({' '.join((*each.words, *each.options))}) ;;" for each in commands
    )
    values = _value_cases(commands, "compadd -- {}; return")
    return f"""\
#compdef panther
_panther() {{
    local -a names words_of
    local command='' each
    names=(
{names}
    )
    for each in ${{words[2,CURRENT-1]}}; do
        if (( ${{names[(I)${{each}}:*]}} )); then command=$each; break; fi
    done
    if [[ -z $command ]]; then
        _describe command names
        compadd -- {" ".join(top.options)}
        return
    fi
    case "$command ${{words[CURRENT-1]}}" in
{values}
    esac
    case $command in
{cases}
    esac
    compadd -- $words_of
    _files
}}
compdef _panther panther
"""


def fish(top: Completable, commands: list[Completable]) -> str:
    """Return the script for fish."""
    lines = ["complete -c panther -e"]
    for each in commands:
        lines.append(f"complete -c panther -f -n __fish_use_subcommand -a {each.name} -d '{_quoted(each.summary)}'")
        inside = f"-n '__fish_seen_subcommand_from {each.name}'"
        lines += [f"complete -c panther {inside} {_fish_option(option, each.values)}" for option in each.options]
        lines += [f"complete -c panther {inside} -a {word}" for word in each.words]
    lines += [
        f"complete -c panther -n __fish_use_subcommand {_fish_option(option, top.values)}" for option in top.options
    ]
    return "\n".join(lines) + "\n"


def _fish_option(option: str, values: Mapping[str, tuple[str, ...]]) -> str:
    name = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
    return f"{name} -x -a '{' '.join(values[option])}'" if option in values else name


def _value_cases(commands: Iterable[Completable], action: str) -> str:
    """Return the branches of a shell's case over command and option before the cursor."""
    return "\n".join(
        f"        '{each.name} {option}') {action.format(' '.join(choices))} ;;"
        for each in commands
        for option, choices in each.values.items()
    )


def _quoted(text: str, extra: str = "") -> str:
    """Return text that may stand between single quotes, in any of the shells."""
    return re.sub(f"['\\\\{extra}]", "", text) if extra else re.sub(r"['\\]", "", text)
