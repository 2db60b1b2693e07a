import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

/** The file of the current folder that says which environment commands work on: beside what `dev` keeps, out of git. */
const folder = '.viewkeeper'
const file = `${folder}/environment`

/** The environment that `viewkeeper env use` has chosen for this folder; undefined if none. */
export function chosenEnvironment(): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

/** Chooses an environment for this folder; null: none any more. */
export function chooseEnvironment(name: string | null): void {
  if (name === null) rmSync(file, { force: true })
  else {
    mkdirSync(folder, { recursive: true })
    writeFileSync(file, `${name}\n`)
  }
}
