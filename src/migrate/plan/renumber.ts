import { Problem } from '../../problem.ts'
import { displayName, quoteName } from '../../sql/names.ts'
import { type FrozenMigration, type ViewChange, viewAfter, viewBefore, viewChangesOf } from './frozen.ts'
import { insistOnOrder, numbered, squashedHistory } from './order.ts'

/** A migration that gets another number. */
export interface Renumbered {
  migration: FrozenMigration
  name: string
}

/**
 * Plans the numbers of migrations that two branches froze: those called `later` come after all others, in their order.
 * The migrations are sorted by number and name. Refuses (InvalidRequest) a part of a squashed history, and a migration of
 * a view that the other branch has changed too: its way back would undo that change. Pure.
 */
export function planRenumber(migrations: FrozenMigration[], later: Set<string>): Renumbered[] {
  const [moved, stay] = [true, false].map((isLater) =>
    migrations.filter(({ name }) => later.has(name) === isLater),
  ) as [FrozenMigration[], FrozenMigration[]]
  const fixed = moved.find(({ name }) => squashNames(migrations).includes(name))
  if (fixed !== undefined)
    throw refused(
      `${fixed.name} is part of a squashed history, which keeps its numbers. Name the other migrations`,
    )
  insistOnOrder(stay)
  insistOnOtherViews(moved, stay)
  const last = stay.at(-1)?.number ?? 0
  return moved.flatMap((migration, at) => {
    const name = migration.name.replace(/^\d+/, numbered(last + at + 1))
    return name === migration.name ? [] : [{ migration, name }]
  })
}

/** The names of the migrations of a squashed history; none if the folder does not begin with one. */
const squashNames = (migrations: FrozenMigration[]): string[] =>
  migrations.flatMap(({ name, up: { change } }) => (change.does === 'squash' ? [...change.by, name] : []))

function insistOnOtherViews(moved: FrozenMigration[], stay: FrozenMigration[]): void {
  const number = moved[0]?.number ?? 0
  const squashed = squashedHistory(stay)
  // A branch that does not know the squash has seen none of its migrations.
  const from =
    squashed !== null && number <= (squashed.migrations.at(-1)?.number ?? 0) ? squashed.first : number
  const others = stay.filter((each) => each.number >= from)
  for (const migration of moved) {
    const views = viewsOf(migration)
    const other = others.find((each) => viewsOf(each).some((view) => views.includes(view)))
    if (other === undefined) continue
    const both = viewChangesOf(migration.up.change).filter((change) =>
      viewsOf(other).some((view) => namesOf(change).includes(view)),
    )
    throw refused(
      `${migration.name} and ${other.name} both change ${both.map((change) => displayName(viewAfter(change))).join(', ')}. Delete the files of ${migration.name}, ` +
        'renumber what still has the same number, and freeze the view again, as views/ has it after the merge',
    )
  }
}

/** The quoted names of the views that a migration changes. */
const viewsOf = ({ up: { change } }: FrozenMigration): string[] => viewChangesOf(change).flatMap(namesOf)

const namesOf = (change: ViewChange): string[] => [viewBefore(change), viewAfter(change)].map(quoteName)

const refused = (message: string): Problem =>
  new Problem('InvalidRequest', `migrations/: ${message}.`, { field: 'migration' })
