import type { Command } from 'commander'
import type { View } from '../../../src/api/answers.ts'
import { readersOf, readView, readViews } from '../../../src/api/ask.ts'
import { oldText, retryText, wordsOfState } from '../../../src/catalog/plan/state.ts'
import { apiOf } from '../../api/api-of.ts'
import {
  cut,
  displayWidth,
  fill,
  isTerminal,
  type Output,
  output,
  print,
  printJson,
  short,
  styleOf,
} from '../../output/terminal.ts'
import { operating } from '../asking.ts'

/** Declares `graph`, which prints the views as trees, each with how it stands; of one view what reads it. */
export function addTo(program: Command): void {
  operating(program, 'graph')
    .argument('[view]', 'only this view and what reads it')
    .description('draw the views, what reads them, and their states')
    .action(async (name, { json, ...named }) => {
      const api = await apiOf(named)
      const from = name === undefined ? undefined : (await readView(api, name)).view
      const { views } = await readViews(api)
      const shown = new Set(
        from === undefined ? views.map(({ view }) => view) : [from, ...readersOf(from, views)],
      )
      if (json)
        return printJson(
          views
            .filter(({ view }) => shown.has(view))
            .map(({ view, dependsOn, neededBy }) => ({ view, dependsOn, neededBy })),
        )
      if (views.length === 0) return print('There is no materialized view in this database.')
      print(...graphLines(views, { ...output(), now: new Date(), drawn: isTerminal(), from }))
    })
}

/** The branches of the tree, on a terminal and without one. */
const branches = {
  drawn: { child: '├─ ', last: '└─ ', through: '│  ', past: '   ' },
  plain: { child: '  ', last: '  ', through: '  ', past: '  ' },
}

interface GraphLine {
  /** What stands before the name. */
  before: string
  view: View
  /** Whether the views that read it stand below another line already. */
  again: boolean
}

/**
 * The views as trees: below each view stand the views that read it, with how they stand. A view that reads several is expanded
 * once. With `from`, only the tree of that view.
 */
export function graphLines(
  views: View[],
  { now, drawn, from, ...output }: Output & { now: Date; drawn: boolean; from?: string | undefined },
): string[] {
  const known = new Map(views.map((view) => [view.view, view]))
  const isRoot = ({ view, dependsOn }: View) =>
    from === undefined ? !dependsOn.some((read) => known.has(read)) : view === from
  const expanded = new Set<string>()
  const signs = branches[drawn ? 'drawn' : 'plain']
  const below = (view: View, before: string): GraphLine[] => {
    const readers = view.neededBy.flatMap((name) => known.get(name) ?? [])
    return readers.flatMap((reader, at) => {
      const isLast = at === readers.length - 1
      return branch(
        reader,
        before + (isLast ? signs.last : signs.child),
        before + (isLast ? signs.past : signs.through),
      )
    })
  }
  const branch = (view: View, before: string, after: string): GraphLine[] => {
    const again = expanded.has(view.view) && view.neededBy.length > 0
    expanded.add(view.view)
    return [{ before, view, again }, ...(again ? [] : below(view, after))]
  }
  const roots = views.filter(isRoot)
  const lines = roots.flatMap((view) => branch(view, '', ''))
  // Views that read each other in a circle have no root.
  const rest = from === undefined ? views.filter(({ view }) => !expanded.has(view)) : []
  for (const view of rest) if (!expanded.has(view.view)) lines.push(...branch(view, '', ''))
  const width = Math.max(0, ...lines.map(({ before, view }) => displayWidth(before + short(view.view))))
  return lines.map(({ before, view, again }) => {
    const { word, tone } = wordsOfState(view.state)
    const text = view.retry ? retryText(view.retry, view.view, now) : word
    const age = view.staleMs === null ? '' : `   ${oldText(view)}`
    const more = again ? '   (its readers: above)' : ''
    const room = Math.max(8, output.width - width - 3 - displayWidth(age + more))
    return `${fill(before + short(view.view), width)}   ${output.paint(styleOf(tone), cut(text, room))}${age}${more}`
  })
}
