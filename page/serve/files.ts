import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { aimOf, type CommandTarget } from '../../src/sql/commands.ts'

/** A file of the page, ready to be sent. */
export interface PageFile {
  type: string
  bytes: Buffer
  gzipped: Buffer
  etag: string
}

/** The code of the page. It is public: it shows and does nothing by itself. */
const codePaths = ['/', '/page.js', '/chunk.js', '/page.css', '/other-pages.js', '/layout.js'] as const
/** Where the page asks which API it talks to. */
const targetPath = '/page.json'

type CodePath = (typeof codePaths)[number]
type PagePath = CodePath | typeof targetPath

/** The files of the page, by path. */
export type PageFiles = Record<PagePath, PageFile>

/** Which API the page talks to. */
export interface PageTarget {
  /** `production`, or the address of the gateway. */
  name: string
  /** Null: no environment. */
  environment: string | null
  url: string
  /** What a command that people copy from the page has to name, so that it works on the same API. */
  typed?: CommandTarget | undefined
  /** Whether `GET /events` streams events. Default: false. */
  events?: true | undefined
}

export function fileOf(type: string, text: string): PageFile {
  const bytes = Buffer.from(text)
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
  return { type, bytes, gzipped: gzipSync(bytes, { level: 9 }), etag }
}

/** The files of the page, and which API it talks to. */
export const withTarget = (
  files: Record<CodePath, PageFile>,
  { name, environment, url, typed, events }: PageTarget,
): PageFiles => ({
  ...files,
  [targetPath]: fileOf(
    'application/json',
    JSON.stringify({ name, environment, url, flags: typed && aimOf(typed), events }),
  ),
})

/** Whether a path, without its query, is one of the page's files. */
export const isPagePath = (path: string): path is PagePath => isCodePath(path) || path === targetPath

/** Whether a path, without its query, is the page's code. */
export const isCodePath = (path: string): path is CodePath => codePaths.some((each) => each === path)
