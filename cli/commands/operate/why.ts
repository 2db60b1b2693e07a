import type { Command } from 'commander'
import type { Why } from '../../../src/api/answers.ts'
import { ask } from '../../../src/api/ask.ts'
import { aimed } from '../../../src/sql/commands.ts'
import { ago, ahead, moment } from '../../../src/sql/words.ts'
import { heldBack } from '../../../src/watch/diagnosis/held-back.ts'
import type { Api } from '../../api/api.ts'
import type { Output } from '../../output/terminal.ts'
import { displayWidth, harmless, wrap } from '../../output/terminal.ts'
import { runsOfView, standingLine } from '../../output/views.ts'
import { loud, short } from '../../output/words.ts'
import { answer } from '../answer.ts'
import { operating } from '../flags.ts'

/** Declares `why`, which prints why a view is as old as it is, who is in the way, and what to type. */
export function addTo(program: Command): void {
  operating(program, 'why')
    .argument('<view>')
    .description('say why a view is so old, and what to do')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper why sales -e production`,
    )
    .action(async (view, asking) => {
      await answer(
        asking,
        (api) => readWhy(api, view),
        (why, { now, output }) => whyLines(why, now, output),
      )
    })
}

/** What is to be typed works on the same API. */
async function readWhy(api: Api, view: string): Promise<Why> {
  const why = await ask(api, 'getWhy', { view })
  return {
    ...why,
    causes: why.causes.map((cause) => ({ ...cause, next: cause.next && aimed(cause.next, api.typed) })),
  }
}

/** Why a view is as old as it is: how it stands, the causes with what to type, who is in the way, and the last runs. */
export function whyLines(why: Why, now: Date, output: Output): string[] {
  return [
    ...standing(why, now, output),
    ...why.causes.flatMap((cause, at) => [
      ...causeLines(cause, at, output),
      ...(at === 0 ? heldLines(why, output) : []),
    ]),
    ...why.locks.flatMap((lock) => lockLines(lock, now, output)),
    ...runsOfView(why.recentRuns, now, output),
    ...(why.silence?.lines ?? []).flatMap((line) => ['', loud(line, output)]),
  ]
}

function standing(why: Why, now: Date, { width, paint }: Output): string[] {
  const { lastSuccessAt, asOf, nextRun } = why
  const by = heldBack(why)
  const since =
    asOf === null ? lastSuccessAt && `last success ${moment(lastSuccessAt, now)}` : moment(asOf, now)
  const besides = since === null ? '' : ` (${since}${by === null ? '' : `, held back by ${short(by)}`})`
  const next = nextRun === null ? 'no next run' : `next run ${ahead(Date.parse(nextRun) - now.getTime())}`
  const line = standingLine(why, paint, besides)
  const whole = `${line}   ${paint('dim', next)}`
  return displayWidth(whole) <= width ? [whole] : [line, `  ${paint('dim', next)}`]
}

/** The first cause is the real one; the others are told below it. */
function causeLines({ text, next }: Why['causes'][number], at: number, { width, paint }: Output): string[] {
  const lines = wrap(harmless(text), width - 2)
  return [
    '',
    ...lines.map((line, n) => (n === 0 ? `${at === 0 ? paint('bold', '▸') : '▸'} ${line}` : `  ${line}`)),
    ...(next === null ? [] : [`  ${paint('dim', 'next:')} ${harmless(next)}`]),
  ]
}

/** What waits for the view to fix first. */
const heldLines = ({ holdsBack = [] }: Partial<Why>, { width, paint }: Output): string[] =>
  holdsBack.length === 0
    ? []
    : wrap(`holds back: ${holdsBack.map(short).join(', ')}`, width - 2).map(
        (line) => `  ${paint('dim', line)}`,
      )

function lockLines(lock: Why['locks'][number], now: Date, { width, paint }: Output): string[] {
  const { pid, role, application, state, since, mode, relation, statement, end } = lock
  const who = [
    pid === null ? 'a prepared transaction' : `session ${pid}`,
    role === null ? '' : `of ${role}`,
    application ? `(${application})` : '',
  ]
  const how = [state, since === null ? null : `transaction began ${ago(now.getTime() - Date.parse(since))}`]
  return [
    '',
    ...wrap(
      harmless(
        `${who.filter(Boolean).join(' ')} holds ${mode} on ${short(relation)}: ${how.filter(Boolean).join(', ') || "Viewkeeper's role may not see more of this session"}`,
      ),
      width - 2,
    ).map((line, n) => (n === 0 ? `${paint('red', '■')} ${line}` : `  ${line}`)),
    ...(statement === null
      ? []
      : wrap(harmless(statement), width - 4)
          .slice(0, 4)
          .map((line) => paint('dim', `    ${line}`))),
    ...(end === null ? [] : [`  ${paint('dim', 'to end it:')} ${harmless(end)}`]),
  ]
}
