-- One row per learner, course run and download: what the download says of the learner.
with

grade_report_rows as (
    select * from {{ ref('int_report_rows') }}
    where report_kind = 'grade_report' and is_usable
),

downloads as (
    select * from {{ ref('int_downloads') }}
),

final as (
    select
        grade_report_rows.file_id,
        grade_report_rows.student_id as learner_id,
        downloads.course,
        downloads.course_instance,
        downloads.download_number,
        downloads.download_count,
        downloads.reported_at,
        downloads.next_reported_at,
        grade_report_rows.enrollment_track,
        grade_report_rows.grade,
        grade_report_rows.certificate_eligible,
        grade_report_rows.certificate_delivered,
        grade_report_rows.enrollment_status
    from grade_report_rows
    inner join downloads on grade_report_rows.file_id = downloads.file_id
)

select * from final
