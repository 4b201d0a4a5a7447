-- One row per row of the program's reports that is not used.
with

rejected_rows as (
    select * from {{ ref('int_rejected_rows') }}
),

texts as (
    select * from {{ ref('int_rejected_row_texts') }}
),

learners as (
    select * from {{ ref('learners') }}
),

retired_elsewhere as (
    select * from {{ source('mailing', 'retired_elsewhere') }}
),

not_learners as (
    select * from {{ ref('int_not_learners') }}
),

not_learner_lines as (
    select * from {{ source('mailing', 'not_learners') }}
),

account_mentions as (
    select * from {{ ref('int_account_mentions') }}
),

whole as (
    select
        rejected_rows.file_id,
        rejected_rows.file_name,
        rejected_rows.line,
        rejected_rows.student_id,
        rejected_rows.reason,
        coalesce(rejected_rows.raw_text, texts.raw_text) as raw_text
    from rejected_rows
    left join texts on rejected_rows.file_id = texts.file_id and rejected_rows.line = texts.line
),

withheld_accounts as (
    select
        student_id,
        'withheld: of a retired account' as words
    from learners
    where is_retired
    union all
    select
        student_id,
        'withheld: of a retired account' as words
    from retired_elsewhere
    union all
    select
        student_id,
        'withheld: of somebody in not_learners.csv' as words
    from not_learners
),

withheld_mentions as (
    select
        withheld_accounts.words,
        account_mentions.username,
        account_mentions.email
    from account_mentions
    inner join withheld_accounts on account_mentions.student_id = withheld_accounts.student_id
    -- all that was ever said is looked through only where there are rejected rows
    where exists (select 1 from rejected_rows)
    union all
    select
        'withheld: of somebody in not_learners.csv' as words,
        username,
        email
    from not_learner_lines
),

-- who they were, in any download or mail
withheld_names as (
    select
        words,
        username as cell
    from withheld_mentions
    union
    select
        words,
        email as cell
    from withheld_mentions
),

-- a row of the wrong width has no student id that is read: its first cell, or another one, tells whose it is
cells as (
    select
        file_id,
        line,
        {{ unnest_list("split(lower(raw_text), ',')") }} as cell
    from whole
),

withheld_rows as (
    select
        whole.file_id,
        whole.line,
        withheld_accounts.words
    from whole
    inner join withheld_accounts on whole.student_id = withheld_accounts.student_id
    union all
    select
        whole.file_id,
        whole.line,
        withheld_accounts.words
    from whole
    inner join withheld_accounts
        on
            {{ whole_number("trim(both ' \"' from split_part(whole.raw_text, ',', 1))") }}
            = withheld_accounts.student_id
    union all
    select
        cells.file_id,
        cells.line,
        withheld_names.words
    from cells
    inner join withheld_names
        on trim(both ' "' || chr(13) || chr(10) from cells.cell) = withheld_names.cell
),

withheld as (
    select
        file_id,
        line,
        -- a retired account stays one, whoever had it
        min(words) as words
    from withheld_rows
    group by file_id, line
),

final as (
    select
        whole.file_name,
        whole.line,
        whole.reason,
        coalesce(withheld.words, whole.raw_text) as raw_text
    from whole
    left join withheld on whole.file_id = withheld.file_id and whole.line = withheld.line
)

select * from final
