"""`python -m jobd`, the same as `jobd`."""

from jobd.cli.main import main

main()
