import { useRef, useState } from 'preact/hooks';
import { visible, visibleLines } from '../../src/cli/render/text.ts';
import type { Schema } from '../../src/mcp/client/arguments/schema.ts';
import { assertNever } from '../../src/model/errors.ts';
import { plainText } from '../../src/model/values/exact-number.ts';
import { type Field, fieldsOf, readFields, readObject, type Typed, type Widget } from '../state/fields.ts';

type FormProps = {
  readonly schema: Schema;
  readonly mayCall: boolean;
  readonly isCalling: boolean;
  readonly call: (args: Readonly<Record<string, unknown>>) => void;
};

type Problems = Readonly<Record<string, string>>;

/** A form for the arguments of a tool: an input a field, or one box of JSON. */
export function ToolForm({ schema, mayCall, isCalling, call }: FormProps) {
  const fields = fieldsOf(schema);
  const [asJson, setAsJson] = useState(fields === undefined);
  const [typed, setTyped] = useState<Typed>(new Map());
  const [json, setJson] = useState('{}');
  const [problems, setProblems] = useState<Problems>({});
  const form = useRef<HTMLFormElement>(null);
  const shown = asJson ? [] : (fields ?? []);

  const showProblems = (found: Problems): void => {
    setProblems(found);
    const first = asJson ? '' : shown.find(({ name }) => Object.hasOwn(found, name))?.name;
    if (first !== undefined) form.current?.querySelector<HTMLElement>(`[id="${idOf(first)}"]`)?.focus();
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!mayCall || isCalling) return;
    const read = asJson ? readObject(json) : readFields(shown, typed);
    if (!read.done) {
      showProblems(read.problems);
      return;
    }
    setProblems({});
    call(read.args);
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
          <label for={idOf('')}>arguments, as JSON</label>
          <textarea
            id={idOf('')}
            class="code"
            rows={6}
            spellcheck={false}
            value={json}
            aria-invalid={problems[''] !== undefined}
            aria-describedby="problem-json"
            onInput={({ currentTarget }) => setJson(currentTarget.value)}
          />
          <p class="problem" id="problem-json">
            {problems[''] === undefined ? '' : visible(problems[''])}
          </p>
        </div>
      ) : shown.length === 0 ? (
        <p class="quiet">It takes no arguments.</p>
      ) : (
        shown.map((field) => (
          <FieldRow
            key={field.name}
            field={field}
            value={typed.get(field.name) ?? ''}
            problem={Object.hasOwn(problems, field.name) ? problems[field.name] : undefined}
            change={(value) => setTyped(new Map(typed).set(field.name, value))}
          />
        ))
      )}
      <div class="row">
        <button type="submit" class="main" disabled={!mayCall || isCalling}>
          {isCalling ? 'calling …' : 'call'}
        </button>
        {fields === undefined || (fields.length === 0 && !asJson) ? null : (
          <button type="button" class="plain" onClick={swap}>
            {asJson ? 'as fields' : 'as JSON'}
          </button>
        )}
        {mayCall ? null : <span class="quiet">your token does not let you call it</span>}
      </div>
    </form>
  );
}

const idOf = (name: string): string => `argument-${name}`;

type RowProps = {
  readonly field: Field;
  readonly value: string | readonly string[];
  readonly problem: string | undefined;
  readonly change: (value: string | readonly string[]) => void;
};

function FieldRow({ field, value, problem, change }: RowProps) {
  const { name, description, required, usual, widget } = field;
  const id = idOf(name);
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
      <p class="problem" id={`${id}-problem`}>
        {problem === undefined ? '' : visible(problem)}
      </p>
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
