import packageJson from '../package.json' with { type: 'json' }

/** The version of this package. */
export const { version } = packageJson

/** The header of every answer that says whose it is: the command line knows by it that an answer may lack something. */
export const versionHeader = 'viewkeeper-version'
