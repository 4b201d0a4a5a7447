-- One row per line of the send log that says whom it is about; a line that was cut off counts as an intent.
with

send_log_lines as (
    select * from {{ source('mailing', 'send_log_lines') }}
),

split as (
    select
        line,
        string_split(text, ',') as cells
    from send_log_lines
),

final as (
    select
        line,
        cells[1]::bigint as student_id,
        cells[2] as trigger_course_instance,
        cells[3]::integer as trigger_course_verified,
        cells[4]::integer as attempt,
        if(len(cells) = 9, cells[5], 'intent') as event,
        -- only a cell that a comma ends is whole
        if(len(cells) > 6, {{ utc_timestamp('cells[6]') }}, null) as logged_at,
        if(len(cells) > 7, cells[7], null) as message_id,
        if(len(cells) > 8, cells[8], null) as email,
        nullif(rtrim(cells[9], '.'), '') as detail
    from split
    -- a line cut off within its key was an intent that was not yet on disk, so nothing was handed over
    where len(cells) > 4
)

select * from final
