import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { visible, visibleLines } from '../../src/cli/render/text.ts';
import type { Schema } from '../../src/mcp/client/arguments/schema.ts';
import { assertNever } from '../../src/model/errors.ts';
import { plainText } from '../../src/model/values/exact-number.ts';
import { type Field, fieldsOf, readFields, readObject, type Typed, type Widget } from '../state/fields.ts';

type FormProps = {
  readonly schema: Schema;
  /** What the fields are of, as a word of their ids: `argument`. */
  readonly of: string;
  /** What its button says, and while what it began goes on. */
  readonly words: { readonly send: string; readonly sending: string };
  readonly isSending: boolean;
  /** Why it cannot be sent. */
  readonly closed?: string | undefined;
  /** What the gateway found wrong with what was sent last. */
  readonly refused?: Problems | undefined;
  readonly send: (values: Readonly<Record<string, unknown>>) => void;
  /** Other buttons. */
  readonly children?: ComponentChildren;
};

type Problems = Readonly<Record<string, string>>;

/** A form for what a schema describes: an input a field, or one box of JSON. */
export function SchemaForm({ schema, of, words, isSending, closed, refused, send, children }: FormProps) {
  const fields = fieldsOf(schema);
  const idOf = (name: string): string => `${of}-${name}`;
  const [asJson, setAsJson] = useState(fields === undefined);
  const [typed, setTyped] = useState<Typed>(new Map());
  const [json, setJson] = useState('{}');
  const [problems, setProblems] = useState<Problems>({});
  const form = useRef<HTMLFormElement>(null);
  const shown = asJson ? [] : (fields ?? []);

  /** Each problem beside its field; those of no field that is shown, together. */
  const showProblems = (found: Problems): void => {
    const others = Object.entries(found).filter(([name]) => !shown.some((field) => field.name === name));
    setProblems(others.length === 0 ? found : { ...found, '': others.map(([, text]) => text).join('; ') });
    const first = asJson ? '' : shown.find(({ name }) => Object.hasOwn(found, name))?.name;
    if (first !== undefined) form.current?.querySelector<HTMLElement>(`[id="${idOf(first)}"]`)?.focus();
  };
  useEffect(() => {
    if (refused !== undefined) showProblems(refused);
  }, [refused]);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (closed !== undefined || isSending) return;
    const read = asJson ? readObject(json) : readFields(shown, typed);
    if (!read.done) {
      showProblems(read.problems);
      return;
    }
    setProblems({});
    send(read.args);
  };
  const swap = (): void => {
    setProblems({});
    if (!asJson) {
      const read = readFields(shown, typed);
      if (read.done) setJson(JSON.stringify(read.args, null, 2));
    }
    setAsJson(!asJson);
  };
  return (
    <form
      ref={form}
      class="tool-form"
      noValidate
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit(event);
      }}
    >
      {asJson ? (
        <div class="field">
          <label for={idOf('')}>{of}s, as JSON</label>
          <textarea
            id={idOf('')}
            class="code"
            rows={6}
            spellcheck={false}
            value={json}
            aria-invalid={problems[''] !== undefined}
            aria-describedby={`${idOf('')}-problem`}
            onInput={({ currentTarget }) => setJson(currentTarget.value)}
          />
          <Problem id={idOf('')} text={problems['']} />
        </div>
      ) : shown.length === 0 ? (
        <p class="quiet">It takes no {of}s.</p>
      ) : (
        shown.map((field) => (
          <FieldRow
            key={field.name}
            id={idOf(field.name)}
            field={field}
            value={typed.get(field.name) ?? ''}
            problem={Object.hasOwn(problems, field.name) ? problems[field.name] : undefined}
            change={(value) => setTyped(new Map(typed).set(field.name, value))}
          />
        ))
      )}
      {asJson || problems[''] === undefined ? null : <Problem id={idOf('')} text={problems['']} />}
      <div class="row">
        <button type="submit" class="main" disabled={closed !== undefined || isSending}>
          {isSending ? words.sending : words.send}
        </button>
        {children}
        {fields === undefined || (fields.length === 0 && !asJson) ? null : (
          <button type="button" class="plain" onClick={swap}>
            {asJson ? 'as fields' : 'as JSON'}
          </button>
        )}
        {closed === undefined ? null : <span class="quiet">{closed}</span>}
      </div>
    </form>
  );
}

/** What is wrong with a field, where something is. */
const Problem = ({ id, text }: { readonly id: string; readonly text: string | undefined }) => (
  <p class="problem" id={`${id}-problem`}>
    {text === undefined ? '' : visible(text)}
  </p>
);

type RowProps = {
  readonly id: string;
  readonly field: Field;
  readonly value: string | readonly string[];
  readonly problem: string | undefined;
  readonly change: (value: string | readonly string[]) => void;
};

function FieldRow({ id, field, value, problem, change }: RowProps) {
  const { name, description, required, usual, widget } = field;
  const notes = [typeWords(widget), usual === '' ? '' : `${usual} where nothing is given`].filter(Boolean).join(' · ');
  const described = { 'aria-describedby': `${id}-notes ${id}-problem`, 'aria-invalid': problem !== undefined };
  const isTicks = widget.kind === 'list' && widget.item.kind === 'choice';
  const head = (
    <>
      <code>{visible(name)}</code>
      {required ? <span class="required"> needed</span> : null}
    </>
  );
  return (
    <div class="field">
      {isTicks ? <span id={`${id}-label`}>{head}</span> : <label for={id}>{head}</label>}
      {isTicks ? (
        <Ticks id={id} described={described} widget={widget.item} value={value} change={change} />
      ) : (
        <Entry id={id} described={described} required={required} widget={widget} value={value} change={change} />
      )}
      <p class="notes" id={`${id}-notes`}>
        {description === '' ? null : <span>{visibleLines(description)} </span>}
        <span class="quiet">{visible(notes)}</span>
      </p>
      <Problem id={id} text={problem} />
    </div>
  );
}

type Described = { readonly 'aria-describedby': string; readonly 'aria-invalid': boolean };

type EntryProps = Pick<RowProps, 'value' | 'change'> & {
  readonly id: string;
  readonly described: Described;
  readonly required: boolean;
  readonly widget: Widget;
};

function Entry({ id, described, required, widget, value, change }: EntryProps) {
  const text = typeof value === 'string' ? value : value.join('\n');
  if (widget.kind === 'choice') {
    return (
      <select id={id} {...described} value={text} onChange={({ currentTarget }) => change(currentTarget.value)}>
        <option value="">{required ? 'choose' : 'not given'}</option>
        {widget.values.map(plainText).map((one) => (
          <option key={one} value={one}>
            {visible(one)}
          </option>
        ))}
      </select>
    );
  }
  if (widget.kind === 'number' || (widget.kind === 'text' && !widget.long)) {
    return (
      <input
        id={id}
        {...described}
        inputMode={widget.kind === 'number' ? 'decimal' : 'text'}
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={({ currentTarget }) => change(currentTarget.value)}
      />
    );
  }
  return (
    <textarea
      id={id}
      {...described}
      class={widget.kind === 'json' ? 'code' : ''}
      rows={widget.kind === 'text' ? 1 : 2}
      spellcheck={false}
      value={text}
      onInput={({ currentTarget }) => change(currentTarget.value)}
    />
  );
}

function Ticks({
  id,
  described,
  widget,
  value,
  change,
}: Pick<RowProps, 'value' | 'change'> & {
  readonly id: string;
  readonly described: Described;
  readonly widget: Extract<Widget, { readonly kind: 'choice' }>;
}) {
  const ticked = typeof value === 'string' ? [] : value;
  return (
    <fieldset class="ticks" id={id} aria-labelledby={`${id}-label`} aria-describedby={described['aria-describedby']}>
      {widget.values.map(plainText).map((one) => (
        <label key={one}>
          <input
            type="checkbox"
            checked={ticked.includes(one)}
            onChange={({ currentTarget }) =>
              change(currentTarget.checked ? [...ticked, one] : ticked.filter((other) => other !== one))
            }
          />{' '}
          {visible(one)}
        </label>
      ))}
    </fieldset>
  );
}

/** What a field takes, in a few words. */
function typeWords(widget: Widget): string {
  switch (widget.kind) {
    case 'text':
      return widget.most === undefined ? 'text' : `text, at most ${widget.most} characters`;
    case 'number': {
      const { whole, minimum, maximum } = widget;
      const range = [minimum === undefined ? '' : `from ${minimum}`, maximum === undefined ? '' : `to ${maximum}`];
      return [whole ? 'whole number' : 'number', ...range].filter(Boolean).join(' ');
    }
    case 'choice':
      return '';
    case 'list':
      return widget.item.kind === 'choice' ? 'any of these' : `${typeWords(widget.item)}, one a line`;
    case 'json':
      return 'JSON';
    default:
      return assertNever(widget);
  }
}
