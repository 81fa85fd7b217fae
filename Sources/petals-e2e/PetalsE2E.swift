import ArgumentParser
import Subprocess

@main struct PetalsE2E: ParsableCommand {}
