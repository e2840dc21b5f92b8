"""`python -m common blue-green`: the switch to the other set of model processes, where no API answers any more."""

from __future__ import annotations

import argparse
import getpass

from common.command_line import Failed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.set_defaults(run=_run)
    parser.add_argument("service", choices=("supermegaretail", "photostock"))
    parser.add_argument("colour", choices=("blue", "green"), help="which set answers from now on")
    parser.add_argument("--url", help="the address of that set, which is asked whether it is ready")
    parser.add_argument("--insist", action="store_true", help="do not ask it")
    parser.add_argument("--who", default=getpass.getuser(), help="default: who is logged in")
    parser.add_argument("--why", required=True, help="for those who read the history")


def _run(arguments: argparse.Namespace) -> int:
    from common.lifecycle.blue_green import BlueGreen, SetUnwell
    from common.settings import ServiceSettings
    from common.state.database import open_state

    if arguments.url is None and not arguments.insist:
        raise Failed("--url is needed to ask whether the set is ready, or --insist")
    address = arguments.url or ""
    sets = BlueGreen(open_state(ServiceSettings()), arguments.service, blue=address, green=address)
    try:
        sets.require_well(arguments.colour, insist=arguments.insist)
    except SetUnwell as error:
        raise Failed(str(error)) from error
    sets.switch(arguments.colour, who=arguments.who, why=arguments.why)
    print(f"the {arguments.colour} set answers on every replica within a second")
    return 0
