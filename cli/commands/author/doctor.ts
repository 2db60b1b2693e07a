import type { Command } from 'commander'
import { quoteName } from '../../../src/sql/names.ts'
import { report } from '../../../src/terminal/report.ts'
import { findingsLines } from '../../output/findings.ts'
import { qualified } from '../../project/names.ts'
import { targetOf } from '../../target/target-of.ts'
import { environment, formatted } from '../flags.ts'

interface DoctorOptions {
  views: string[]
  role?: string
  slices?: boolean
  env?: string
  json?: boolean
}

/** Declares `doctor`. */
export function addTo(program: Command): void {
  formatted(program.command('doctor'))
    .argument('[view...]', 'only these views')
    .description('list which rights are missing, and the SQL for them')
    .option('--role <name>', 'the role to look at (default: the login)')
    .option('--slices', 'also say by which columns the views fall into slices, and why others do not')
    .option(...environment)
    .action((views, options) => doctor({ views, ...options }))
}

/** Prints what a role may do with each view and the SQL that is missing. If a right is missing, the exit code is 1. */
export async function doctor({ views, role, slices, env, json }: DoctorOptions): Promise<void> {
  const findings = await (await targetOf({ env })).doctor({
    views: views.length === 0 ? 'all' : views.map((view) => quoteName(qualified(view, 'view'))),
    role: role ?? null,
    // A version from before this question refuses it.
    ...(slices ? { slices } : {}),
  })
  if (json) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`)
  else for (const line of findingsLines(findings)) report.line(line)
  if (findings.missing.length > 0) process.exitCode = 1
}
