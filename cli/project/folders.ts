import { pathToFileURL } from 'node:url'

const here = pathToFileURL(`${process.cwd()}/`)

/** Where the command line reads and writes: folders of the current one, whoever's they are. */
export const folders = { views: new URL('views/', here), migrations: new URL('migrations/', here) }

/** Our own schema's steps. */
export const schemaFolder = new URL('../../schema/', import.meta.url)
